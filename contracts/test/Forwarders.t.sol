// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Forwarder} from "../src/Forwarder.sol";
import {ForwarderFactory} from "../src/ForwarderFactory.sol";
import {VaultRegistry} from "../src/VaultRegistry.sol";
import {HostileToken} from "./support/Hostile.sol";
import {VaultTest} from "./support/VaultTest.sol";
import {vm} from "./support/Vm.sol";

/// @title Deposit addresses: take a plain transfer at any time, and pay only where governance points them.
contract ForwardersTest is VaultTest {
    bytes32 private constant SALT = keccak256("customer");

    function testTakesAPlainTransferBeforeAndAfterTheFirstSweep() external {
        address payable place = factory.addressOf(SALT);
        uint256 before = address(safe).balance;
        for (uint256 sweep = 0; sweep < 3; sweep++) {
            vm.assertTrue((place.code.length != 0) == (sweep > 0), "deployed by the first sweep");
            vm.deal(address(this), 3);
            // What transfer and send of older contracts give: the stipend of 2,300 gas and nothing on top.
            (bool ok, ) = place.call{value: 2, gas: 0}("");
            vm.assertTrue(ok, "the stipend alone");
            (ok, ) = place.call{value: 1, gas: 0}(hex"c0ffee");
            vm.assertTrue(ok, "with data");
            usdt.mint(place, 5);
            _flush(address(0));
            _flush(address(usdt));
            vm.assertEq(address(safe).balance, before + 3 * (sweep + 1), "native");
            vm.assertEq(usdt.balanceOf(address(safe)), 1e15 + 5 * (sweep + 1), "usdt");
        }
    }

    function testAFuzzedSweepPaysOnlyTheVault(uint96 native, uint96 amount, address caller, bytes32 salt) external {
        address payable place = factory.addressOf(salt);
        uint256 before = address(safe).balance;
        vm.deal(place, native);
        usdt.mint(place, amount);
        vm.prank(caller);
        factory.flush(_two(salt, salt), _tokens(address(0), address(usdt)));
        vm.assertEq(address(safe).balance, before + native, "native");
        vm.assertEq(usdt.balanceOf(address(safe)), 1e15 + uint256(amount), "usdt");
        vm.assertEq(place.balance + usdt.balanceOf(place), 0, "all of it");
    }

    function testOnlyColdGovernanceChangesTheDestination() external {
        _flush(address(0));
        address payable place = factory.addressOf(SALT);
        address[5] memory others = [address(safe), governance, address(desk), vm.addr(ownerKeys[0]), thief];
        for (uint256 i = 0; i < others.length; i++) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", others[i]));
            registry.setVault(thief);
        }
        vm.assertEq(address(Forwarder(place).registry()), address(registry), "fixed at deployment");
        vm.deal(place, 7);
        govern(address(registry), abi.encodeCall(VaultRegistry.setVault, (customer)));
        _flush(address(0));
        vm.assertEq(customer.balance, 7, "the same address pays the next vault");
    }

    function testTheDestinationIsNeverNobody() external {
        vm.prank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(VaultRegistry.VaultIsZero.selector));
        registry.setVault(address(0));
        vm.prank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(VaultRegistry.RenouncingRefused.selector));
        registry.renounceOwnership();
    }

    function testAForwarderThatCannotBeSweptHoldsUpNoOther() external {
        bytes32 other = keccak256("another customer");
        usdt.mint(factory.addressOf(SALT), 5);
        usdt.mint(factory.addressOf(other), 6);
        usdt.setBlackListed(factory.addressOf(SALT), true);
        factory.flush(_two(SALT, other), _tokens(address(usdt), address(usdt)));
        vm.assertEq(usdt.balanceOf(address(safe)), 1e15 + 6, "the other one");
        vm.expectRevert(abi.encodeWithSignature("GasTooLow()"));
        factory.flush{gas: 470_000}(_two(SALT, other), _tokens(address(usdt), address(usdt)));
    }

    function testATokenThatBurnsItsGasHoldsUpNoOther() external {
        bytes32 other = keccak256("another customer");
        HostileToken burner = new HostileToken(HostileToken.Mode.BurnGas, factory.addressOf(SALT));
        usdt.mint(factory.addressOf(other), 6);
        vm.expectEmit(address(factory));
        emit ForwarderFactory.FlushFailed(SALT, address(burner));
        factory.flush{gas: 1_500_000}(_two(SALT, other), _tokens(address(burner), address(usdt)));
        vm.assertEq(usdt.balanceOf(address(safe)), 1e15 + 6, "the other one");
    }

    /// @dev Whatever the gas, either the whole call reverts or the flush had what it may take.
    function testTooLittleGasIsNoSuccess() external {
        usdt.mint(factory.addressOf(SALT), 5);
        bytes32[] memory salts_ = new bytes32[](1);
        address[] memory tokens = new address[](1);
        (salts_[0], tokens[0]) = (SALT, address(new HostileToken(HostileToken.Mode.TellsGas, factory.addressOf(SALT))));
        bytes memory call_ = abi.encodeCall(factory.flush, (salts_, tokens));
        bool ok = false;
        for (uint256 gas_ = 100_000; gas_ < 800_000 && !ok; gas_ += 1_000) {
            (ok, ) = address(factory).call{gas: gas_}(call_);
        }
        vm.assertTrue(ok, "some limit is enough");
        // The registry, the balance and the forwarder's own code come before the transfer.
        vm.assertLe(factory.ITEM_GAS() - 25_000, HostileToken(tokens[0]).gasSeen(), "the flush had its gas");
    }

    function testNamesTheInitCodeThatItDeploys() external view {
        string memory json = vm.readFile("contracts/artifacts/Forwarder.json");
        vm.assertEq(factory.forwarderInitCodeHash(), keccak256(vm.parseJsonBytes(json, ".bytecode")), "hash");
    }

    function _flush(address token) private {
        bytes32[] memory salts_ = new bytes32[](1);
        address[] memory tokens = new address[](1);
        (salts_[0], tokens[0]) = (SALT, token);
        factory.flush(salts_, tokens);
    }

    function _two(bytes32 first, bytes32 second) private pure returns (bytes32[] memory list) {
        list = new bytes32[](2);
        (list[0], list[1]) = (first, second);
    }

    function _tokens(address first, address second) private pure returns (address[] memory list) {
        list = new address[](2);
        (list[0], list[1]) = (first, second);
    }
}
