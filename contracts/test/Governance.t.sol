// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {VaultRegistry} from "../src/VaultRegistry.sol";
import {ISafe} from "../src/Safe.sol";
import {VaultTimelock} from "../src/VaultTimelock.sol";
import {GasEater} from "./support/Hostile.sol";
import {ISafeFull} from "./support/ISafeFull.sol";
import {VaultTest} from "./support/VaultTest.sol";
import {vm} from "./support/Vm.sol";

/// @title Cold governance: everything after its delay, nothing when a hot signer vetoes.
contract GovernanceTest is VaultTest {
    function testNobodyIsAdminButTheTimelockItself() external view {
        bytes32 admin = timelock.DEFAULT_ADMIN_ROLE();
        bytes32 proposer = timelock.PROPOSER_ROLE();
        bytes32 canceller = timelock.CANCELLER_ROLE();
        vm.assertTrue(timelock.hasRole(admin, address(timelock)), "itself");
        address[6] memory others = [governance, address(desk), address(safe), address(this), cold, address(0)];
        for (uint256 i = 0; i < others.length; i++) {
            vm.assertTrue(!timelock.hasRole(admin, others[i]), "no admin");
            vm.assertTrue(timelock.hasRole(proposer, others[i]) == (i == 0), "only governance proposes");
            vm.assertTrue(timelock.hasRole(canceller, others[i]) == (i < 2), "governance and the desk cancel");
            vm.assertTrue(timelock.hasRole(timelock.EXECUTOR_ROLE(), others[i]) == (i == 5), "anyone executes");
        }
        vm.assertEq(timelock.getRoleAdmin(canceller), admin, "roles are the admin's");
    }

    function testGovernanceCannotTakeTheVetoWithoutTheDelay() external {
        bytes32 canceller = timelock.CANCELLER_ROLE();
        bytes memory denied = abi.encodeWithSelector(
            IAccessControl.AccessControlUnauthorizedAccount.selector,
            governance,
            bytes32(0)
        );
        vm.prank(governance);
        vm.expectRevert(denied);
        timelock.revokeRole(canceller, address(desk));
        vm.prank(governance);
        vm.expectRevert(denied);
        timelock.grantRole(bytes32(0), governance);
        vm.prank(governance);
        vm.expectRevert(abi.encodeWithSelector(TimelockController.TimelockUnauthorizedCaller.selector, governance));
        timelock.updateDelay(1);
        vm.prank(governance);
        vm.expectRevert(abi.encodeWithSelector(TimelockController.TimelockInsufficientDelay.selector, DELAY - 1, DELAY));
        timelock.schedule(address(desk), 0, "", 0, 0, DELAY - 1);
        // With the delay it can, unless somebody vetoes.
        bytes memory strip = abi.encodeCall(IAccessControl.revokeRole, (canceller, address(desk)));
        _vetoed(address(timelock), strip);
        vm.assertTrue(timelock.hasRole(canceller, address(desk)), "vetoed");
        govern(address(timelock), strip);
        vm.assertTrue(!timelock.hasRole(canceller, address(desk)), "matured");
    }

    function testChangesOfTheSafeNeedTheDelay() external {
        bytes memory erase = abi.encodeCall(ISafeFull.setGuard, (address(0)));
        bytes memory operation = byModule(erase);
        vm.prank(governance);
        vm.expectRevert(bytes("GS104"));
        safe.execTransactionFromModule(address(safe), 0, erase, 0);
        vm.prank(governance);
        timelock.schedule(address(safe), 0, operation, 0, 0, DELAY);
        vm.warp(START + DELAY - 1);
        vm.expectRevert();
        timelock.execute(address(safe), 0, operation, 0, 0);
        vm.assertTrue(vm.load(address(safe), GUARD_SLOT) != 0, "before its time");
        vm.warp(START + DELAY);
        timelock.execute(address(safe), 0, operation, 0, 0);
        vm.assertEq(vm.load(address(safe), GUARD_SLOT), 0, "after it");
    }

    function testAVetoKeepsTheSafeAsItIs() external {
        bytes[3] memory wishes = [
            abi.encodeCall(ISafeFull.setGuard, (address(0))),
            abi.encodeCall(ISafeFull.enableModule, (thief)),
            abi.encodeCall(ISafeFull.changeThreshold, (1))
        ];
        for (uint256 i = 0; i < wishes.length; i++) {
            _vetoed(address(safe), byModule(wishes[i]));
        }
        _vetoed(address(registry), abi.encodeCall(VaultRegistry.setVault, (thief)));
        vm.assertEq(registry.vault(), address(safe), "vault");
        vm.assertEq(safe.getThreshold(), 2, "threshold");
    }

    function testGovernanceReplacesOwnersGuardAndVault() external {
        address old = vm.addr(ownerKeys[0]);
        governSafe(abi.encodeCall(ISafeFull.swapOwner, (address(1), old, customer)));
        vm.assertEq(safe.getOwners()[0], customer, "owner");
        replaceGuard();
        vm.warp(block.timestamp + 1);
        vm.assertEq(vm.load(address(safe), GUARD_SLOT), bytes32(uint256(uint160(address(guard)))), "guard");
        ownerKeys[0] = ownerKeys[2];
        if (vm.addr(ownerKeys[0]) > vm.addr(ownerKeys[1])) {
            (ownerKeys[0], ownerKeys[1]) = (ownerKeys[1], ownerKeys[0]);
        }
        mustExecute(payment(pack(customer, 1, "")));
        govern(address(registry), abi.encodeCall(VaultRegistry.setVault, (customer)));
        vm.assertEq(registry.vault(), customer, "vault");
    }

    function testTheRegistryMovesToAnotherTimelockInTwoSteps() external {
        address[] memory keys = new address[](1);
        keys[0] = customer;
        address next = create("VaultTimelock", abi.encode(DELAY, governance, safe, cold, keys));
        vm.prank(governance);
        vm.expectRevert();
        registry.transferOwnership(governance);
        govern(address(registry), abi.encodeWithSignature("transferOwnership(address)", next));
        vm.assertEq(registry.owner(), address(timelock), "not before it is accepted");
        timelock = VaultTimelock(payable(next));
        govern(address(registry), abi.encodeWithSignature("acceptOwnership()"));
        vm.assertEq(registry.owner(), next, "accepted");
    }

    function testTheDelayIsNeverZero() external {
        vm.prank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(VaultTimelock.DelayIsZero.selector));
        timelock.updateDelay(0);
        govern(address(timelock), abi.encodeCall(TimelockController.updateDelay, (3 days)));
        vm.assertEq(timelock.getMinDelay(), 3 days, "changed");
        address[] memory keys = new address[](1);
        keys[0] = customer;
        vm.expectRevert(abi.encodeWithSelector(VaultTimelock.DelayIsZero.selector));
        new VaultTimelock(0, governance, safe, cold, keys);
        address[3] memory bad = [address(0), cold, address(safe)];
        for (uint256 i = 0; i < 3; i++) {
            vm.expectRevert(abi.encodeWithSelector(VaultTimelock.GovernanceRefused.selector, bad[i]));
            new VaultTimelock(1, bad[i], safe, cold, keys);
        }
    }

    function testAnOperationThatNobodyExecutedExpires() external {
        bytes memory data = abi.encodeCall(VaultRegistry.setVault, (customer));
        bytes32 id = timelock.hashOperation(address(registry), 0, data, 0, 0);
        vm.prank(governance);
        timelock.schedule(address(registry), 0, data, 0, 0, DELAY);
        vm.warp(START + DELAY + timelock.GRACE());
        vm.assertTrue(timelock.isOperationReady(id), "on its last second");
        vm.warp(block.timestamp + 1);
        vm.assertTrue(!timelock.isOperation(id), "gone");
        bytes memory notReady = abi.encodeWithSelector(
            TimelockController.TimelockUnexpectedOperationState.selector,
            id,
            bytes32(uint256(1) << uint8(TimelockController.OperationState.Ready))
        );
        vm.expectRevert(notReady);
        timelock.execute(address(registry), 0, data, 0, 0);
        // It can be wished again, and waits again; then it can be cancelled, and executed.
        vm.prank(governance);
        timelock.schedule(address(registry), 0, data, 0, 0, DELAY);
        vm.expectRevert(notReady);
        timelock.execute(address(registry), 0, data, 0, 0);
        vm.prank(governance);
        timelock.cancel(id);
        vm.prank(governance);
        timelock.schedule(address(registry), 0, data, 0, 0, DELAY);
        vm.warp(block.timestamp + DELAY);
        timelock.execute(address(registry), 0, data, 0, 0);
        vm.assertEq(registry.vault(), customer, "executed");
        vm.warp(block.timestamp + 365 days);
        vm.assertTrue(timelock.isOperationDone(id), "done stays done");
    }

    /// @dev The Safe answers false, and an operation that did nothing would count as done.
    function testAModuleCallThatFailsFailsTheOperation() external {
        bytes memory failing = abi.encodeCall(ISafeFull.enableModule, (address(desk)));
        bytes[2] memory calls = [
            byModule(failing),
            abi.encodeWithSignature(
                "execTransactionFromModuleReturnData(address,uint256,bytes,uint8)",
                safe,
                0,
                failing,
                0
            )
        ];
        for (uint256 i = 0; i < 2; i++) {
            _fails(address(safe), calls[i], abi.encodeWithSelector(VaultTimelock.ModuleCallFailed.selector, safe));
            _fails(customer, calls[i], abi.encodeWithSelector(VaultTimelock.ModuleCallFailed.selector, customer));
        }
        // What reverts by itself reverts with its own reason.
        bytes memory zero = abi.encodeCall(VaultRegistry.setVault, (address(0)));
        _fails(address(registry), zero, abi.encodeWithSelector(VaultRegistry.VaultIsZero.selector));
        // A call that the Safe makes, and one without a selector, go through.
        bytes memory lower = abi.encodeCall(ISafeFull.changeThreshold, (1));
        govern(
            address(safe),
            abi.encodeWithSignature("execTransactionFromModuleReturnData(address,uint256,bytes,uint8)", safe, 0, lower, 0)
        );
        vm.assertEq(safe.getThreshold(), 1, "threshold");
        govern(customer, hex"468721");
    }

    /// @dev Else a batch that replaces the time lock could go half way and leave nobody in governance.
    function testABatchIsAllOrNothing() external {
        address[] memory targets = new address[](2);
        bytes[] memory calls = new bytes[](2);
        (targets[0], targets[1]) = (address(safe), address(safe));
        calls[0] = byModule(abi.encodeCall(ISafeFull.enableModule, (address(desk))));
        calls[1] = byModule(abi.encodeCall(ISafeFull.disableModule, (address(desk), address(timelock))));
        vm.prank(governance);
        timelock.scheduleBatch(targets, new uint256[](2), calls, 0, 0, DELAY);
        vm.warp(START + DELAY);
        vm.expectRevert(abi.encodeWithSelector(VaultTimelock.ModuleCallFailed.selector, safe));
        timelock.executeBatch(targets, new uint256[](2), calls, 0, 0);
        vm.assertTrue(safe.isModuleEnabled(address(timelock)), "nothing happened");
    }

    /// @dev Whoever executes chooses the gas: no amount of it burns the operation.
    function testTooLittleGasDoesNotUseAnOperationUp() external {
        GasEater eater = new GasEater();
        for (uint256 work = 5; work <= 40; work += 5) {
            bytes memory data = abi.encodeCall(
                ISafe.execTransactionFromModule,
                (address(eater), 0, abi.encodeCall(GasEater.eat, (work)), 0)
            );
            vm.prank(governance);
            timelock.schedule(address(safe), 0, data, 0, 0, DELAY);
            vm.warp(block.timestamp + DELAY);
            bytes memory call_ = abi.encodeCall(timelock.execute, (address(safe), 0, data, 0, 0));
            bool ok = false;
            for (uint256 gas_ = 50_000; gas_ < 2_000_000 && !ok; gas_ += 2_000) {
                (ok, ) = address(timelock).call{gas: gas_}(call_);
            }
            vm.assertTrue(ok && eater.done(work), "the first limit that succeeds does it all");
        }
    }

    function testNobodyRenouncesARole() external {
        bytes32[3] memory roles = [timelock.PROPOSER_ROLE(), timelock.CANCELLER_ROLE(), timelock.DEFAULT_ADMIN_ROLE()];
        for (uint256 i = 0; i < 3; i++) {
            vm.prank(governance);
            vm.expectRevert(abi.encodeWithSelector(VaultTimelock.RenouncingRefused.selector));
            timelock.renounceRole(roles[i], governance);
        }
    }

    function _fails(address target, bytes memory data, bytes memory reason) private {
        uint256 now_ = block.timestamp;
        vm.prank(governance);
        timelock.schedule(target, 0, data, 0, "fails", DELAY);
        vm.warp(now_ + DELAY);
        vm.expectRevert(reason);
        timelock.execute(target, 0, data, 0, "fails");
        vm.assertTrue(timelock.isOperationReady(timelock.hashOperation(target, 0, data, 0, "fails")), "still ready");
    }

    /// @dev Scheduled, vetoed, and dead when it would have matured.
    function _vetoed(address target, bytes memory data) private {
        bytes32 salt = "vetoed";
        vm.prank(governance);
        timelock.schedule(target, 0, data, 0, salt, DELAY);
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = timelock.hashOperation(target, 0, data, 0, salt);
        uint256 deadline = block.timestamp + 1 hours;
        uint256 nonce = uint256(ids[0]);
        desk.veto(ids, nonce, deadline, signature(emergencyKeys[2], vetoHash(ids, nonce, deadline)));
        vm.warp(block.timestamp + DELAY);
        vm.expectRevert();
        timelock.execute(target, 0, data, 0, salt);
    }
}
