// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EmergencyDesk} from "../src/EmergencyDesk.sol";
import {TestUSDC} from "../src/devnet/TestUSDC.sol";
import {HostileToken} from "./support/Hostile.sol";
import {ISafeFull} from "./support/ISafeFull.sol";
import {VaultTest} from "./support/VaultTest.sol";
import {vm} from "./support/Vm.sol";

/// @title Everything goes to the cold address, whatever single tokens do.
contract EvacuationTest is VaultTest {
    function testSendsEverythingToTheColdAddress() external {
        uint256 native = address(safe).balance;
        vm.expectEmit(address(desk));
        emit EmergencyDesk.EvacuationAuthorised(vm.addr(emergencyKeys[0]));
        vm.expectEmit(address(desk));
        emit EmergencyDesk.Evacuated(address(0), native);
        vm.expectEmit(address(desk));
        emit EmergencyDesk.Evacuated(address(usdt), 1e15);
        evacuateVault(bothTokens(), 1);
        vm.assertEq(cold.balance, native, "native");
        vm.assertEq(usdt.balanceOf(cold), 1e15, "usdt, which returns nothing");
        vm.assertEq(usdc.balanceOf(cold), 1e15, "usdc");
        vm.assertEq(address(safe).balance + usdt.balanceOf(address(safe)) + usdc.balanceOf(address(safe)), 0, "left");
    }

    function testWorksWhilePaused() external {
        pauseVault(1);
        evacuateVault(bothTokens(), 2);
        vm.assertEq(usdc.balanceOf(cold), 1e15, "usdc");
    }

    function testAnySingleKeyEvacuatesOnce() external {
        for (uint256 i = 0; i < 3; i++) {
            vm.deal(address(safe), 5);
            bytes memory signature_ = signature(emergencyKeys[i], evacuateHash(bothTokens(), 7, START));
            vm.prank(thief);
            desk.evacuate(bothTokens(), 7, START, signature_);
            vm.deal(address(safe), 5);
            vm.expectRevert(
                abi.encodeWithSelector(EmergencyDesk.NonceSpent.selector, vm.addr(emergencyKeys[i]), 7)
            );
            desk.evacuate(bothTokens(), 7, START, signature_);
        }
    }

    function testRefusesAListThatWasNotSigned() external {
        bytes memory signature_ = signature(emergencyKeys[0], evacuateHash(bothTokens(), 1, START));
        address[] memory fewer = new address[](1);
        fewer[0] = address(usdt);
        try desk.evacuate(fewer, 1, START, signature_) {
            revert("it went through");
        } catch (bytes memory reason) {
            vm.assertEq(bytes32(bytes4(reason)), bytes32(EmergencyDesk.NotAnEmergencyKey.selector), "reason");
        }
    }

    function testAHostileTokenHoldsUpNoOther() external {
        address[] memory tokens = new address[](10);
        for (uint256 mode = 0; mode < 6; mode++) {
            tokens[mode] = address(new HostileToken(HostileToken.Mode(mode), address(safe)));
        }
        tokens[6] = address(safe);
        tokens[7] = address(timelock);
        tokens[8] = customer;
        tokens[9] = address(usdc);
        bytes memory signature_ = signature(emergencyKeys[0], evacuateHash(tokens, 1, START));
        for (uint256 i = 0; i < 9; i++) {
            vm.expectEmit(address(desk));
            emit EmergencyDesk.EvacuationFailed(tokens[i]);
        }
        // Within a block's gas: a token that burns all that it gets must not get it all.
        desk.evacuate{gas: 4_000_000}(tokens, 1, START, signature_);
        vm.assertEq(usdc.balanceOf(cold), 1e15, "the honest token behind them");
        vm.assertEq(cold.balance, 1_000_000 ether, "native");
    }

    function testAFrozenVaultStillGivesUpTheRest() external {
        usdt.setBlackListed(address(safe), true);
        vm.expectEmit(address(desk));
        emit EmergencyDesk.EvacuationFailed(address(usdt));
        evacuateVault(bothTokens(), 1);
        vm.assertEq(usdc.balanceOf(cold), 1e15, "usdc");
    }

    function testReportsWhatReallyLeft() external {
        address[] memory tokens = new address[](1);
        tokens[0] = address(new HostileToken(HostileToken.Mode.KeepsHalf, address(safe)));
        vm.expectEmit(address(desk));
        emit EmergencyDesk.Evacuated(tokens[0], 50);
        evacuateVault(tokens, 1);
    }

    /// @dev Called by the Safe, a hostile token may call the desk, the Safe or the guard: none of them takes the Safe for it.
    function testAHostileTokenReachesNothing() external {
        HostileToken token = new HostileToken(HostileToken.Mode.Calls, address(safe));
        address[] memory tokens = new address[](2);
        (tokens[0], tokens[1]) = (address(token), address(usdc));
        bytes[3] memory calls = [
            abi.encodeCall(EmergencyDesk.evacuateOne, (address(usdt))),
            abi.encodeCall(ISafeFull.setGuard, (address(0))),
            abi.encodeWithSignature("execTransactionFromModule(address,uint256,bytes,uint8)", thief, 1 ether, "", 0)
        ];
        address[3] memory targets = [address(desk), address(safe), address(safe)];
        for (uint256 i = 0; i < 3; i++) {
            token.prepare(targets[i], calls[i]);
            vm.deal(address(safe), 5 ether);
            evacuateVault(tokens, i);
        }
        vm.assertEq(thief.balance, 0, "stolen");
        vm.assertEq(usdt.balanceOf(address(safe)), 1e15, "usdt was not listed");
        vm.assertEq(vm.load(address(safe), GUARD_SLOT), bytes32(uint256(uint160(address(guard)))), "guard");
    }

    function testTooLittleGasIsNoSuccess() external {
        uint256 deadline = START + 1;
        address[] memory tokens = bothTokens();
        bytes memory signature_ = signature(emergencyKeys[0], evacuateHash(tokens, 1, deadline));
        bytes memory call_ = abi.encodeCall(EmergencyDesk.evacuate, (tokens, 1, deadline, signature_));
        uint256 went = 0;
        for (uint256 gas_ = 30_000; gas_ <= 800_000; gas_ += 10_000) {
            (bool ok, ) = address(desk).call{gas: gas_}(call_);
            if (!ok) continue;
            went = gas_;
            break;
        }
        vm.assertTrue(went != 0, "some limit is enough");
        vm.assertEq(usdt.balanceOf(cold) + usdc.balanceOf(cold), 2e15, "the first limit that succeeds moves everything");
        vm.assertEq(cold.balance, 1_000_000 ether, "native too");
    }

    function testAnEvacuationWithoutEffectIsNotUsedUp() external {
        vm.deal(address(safe), 0);
        address[] memory tokens = new address[](1);
        tokens[0] = address(new HostileToken(HostileToken.Mode.Revert, address(safe)));
        uint256 deadline = START + 1;
        bytes memory signature_ = signature(emergencyKeys[0], evacuateHash(tokens, 1, deadline));
        vm.expectRevert(abi.encodeWithSelector(EmergencyDesk.NothingEvacuated.selector));
        desk.evacuate(tokens, 1, deadline, signature_);
        vm.deal(address(safe), 1);
        desk.evacuate(tokens, 1, deadline, signature_);
        vm.assertEq(cold.balance, 1, "later");
    }

    function testAColdAddressThatTakesNoCoinsHoldsUpNoToken() external {
        address refusing = create("RevertingRecipient", "");
        address[] memory keys = new address[](1);
        keys[0] = vm.addr(emergencyKeys[0]);
        desk = EmergencyDesk(create("EmergencyDesk", abi.encode(safe, timelock, refusing, keys)));
        governSafe(abi.encodeCall(ISafeFull.enableModule, (address(desk))));
        vm.expectEmit(address(desk));
        emit EmergencyDesk.EvacuationFailed(address(0));
        evacuateVault(bothTokens(), 1);
        vm.assertEq(usdc.balanceOf(refusing), 1e15, "usdc");
    }

    function testSaysSoWhenItIsNoModule() external {
        governSafe(abi.encodeCall(ISafeFull.disableModule, (address(1), address(desk))));
        address[] memory tokens = bothTokens();
        bytes memory signature_ = signature(emergencyKeys[0], evacuateHash(tokens, 1, block.timestamp));
        vm.expectRevert(abi.encodeWithSelector(EmergencyDesk.NotAModule.selector));
        desk.evacuate(tokens, 1, block.timestamp, signature_);
    }

    function testOnlyTheDeskMovesASingleBalance() external {
        vm.prank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(EmergencyDesk.NotTheDesk.selector, timelock));
        desk.evacuateOne(address(0));
    }

    function testRefusesAColdAddressOfTheVault() external {
        address[3] memory bad = [address(0), address(safe), address(timelock)];
        address[] memory keys = new address[](1);
        keys[0] = customer;
        for (uint256 i = 0; i < 3; i++) {
            vm.expectRevert(abi.encodeWithSelector(EmergencyDesk.ColdAddressRefused.selector, bad[i]));
            new EmergencyDesk(safe, timelock, bad[i], keys);
        }
        vm.expectRevert(abi.encodeWithSelector(EmergencyDesk.KeyRefused.selector, address(0)));
        new EmergencyDesk(safe, timelock, cold, new address[](0));
    }

    function testMovesTwentyTokensAtOnce() external {
        address[] memory tokens = new address[](20);
        for (uint256 i = 0; i < 20; i++) {
            tokens[i] = create("TestUSDC", "");
            TestUSDC(tokens[i]).mint(address(safe), 1 + i);
        }
        evacuateVault(tokens, 1);
        for (uint256 i = 0; i < 20; i++) vm.assertEq(TestUSDC(tokens[i]).balanceOf(cold), 1 + i, "moved");
    }
}
