// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EmergencyDesk} from "../src/EmergencyDesk.sol";
import {TestUSDC} from "../src/devnet/TestUSDC.sol";
import {ISafeFull} from "./support/ISafeFull.sol";
import {SafeTx, VaultTest} from "./support/VaultTest.sol";
import {vm} from "./support/Vm.sol";

/// @title What whole transactions cost, 21,000 and calldata included, with cold storage: each call here runs on its own.
/// @dev The numbers are in contracts/gas.json and compared on every run.
/// forge-config: default.isolate = true
contract GasTest is VaultTest {
    uint256 private constant PAYOUTS = 50;
    /// @dev Basis points.
    uint256 private constant OVERHEAD_MAX = 1_500;

    function testATransferIsWhatItIsOnMainnet() external {
        vm.deal(customer, 1);
        (bool ok, ) = customer.call{value: 1}("");
        vm.assertTrue(ok, "sent");
        vm.assertEq(vm.lastCallGas().gasTotalUsed, 21_000, "the measure counts whole transactions");
    }

    function testPayouts() external {
        _compare("ETH", false);
        _compare("USDC", true);
    }

    function testEvacuationOfTwentyTokens() external {
        address[] memory tokens = new address[](20);
        for (uint256 i = 0; i < 20; i++) {
            tokens[i] = create("TestUSDC", "");
            TestUSDC(tokens[i]).mint(address(safe), 1e12);
        }
        bytes memory signature_ = signature(emergencyKeys[0], evacuateHash(tokens, 1, START));
        bytes memory call_ = abi.encodeCall(EmergencyDesk.evacuate, (tokens, 1, START, signature_));
        vm.snapshotValue("gas", "evacuation of ETH and 20 tokens", _gasOf(address(desk), call_));
        vm.assertEq(TestUSDC(tokens[19]).balanceOf(cold), 1e12, "moved");
    }

    /// @dev The second payment to the same recipients: they hold something, and the bucket was charged before. That is the
    /// cheapest payment there is, so the guard's share is at its highest.
    function _compare(string memory asset, bool token) private {
        bytes memory one = _leg(token, 0);
        bytes memory legs = "";
        for (uint256 i = 0; i < PAYOUTS; i++) legs = bytes.concat(legs, _leg(token, i));
        SafeTx memory alone = token
            ? called(address(usdc), 0, abi.encodeWithSignature("transfer(address,uint256)", _recipient(0), 1e6))
            : called(_recipient(0), 1e6, "");
        mustExecute(payment(legs));
        vm.warp(block.timestamp + 1);
        uint256 aloneWith = _gasOf(address(safe), signed(payment(one)));
        uint256 batchWith = _gasOf(address(safe), signed(payment(legs)));
        vm.prank(address(safe));
        safe.setGuard(address(0));
        uint256 aloneWithout = _gasOf(address(safe), signed(alone));
        uint256 batchWithout = _gasOf(address(safe), signed(batchOf(legs)));
        vm.prank(address(safe));
        safe.setGuard(address(guard));
        _report(string.concat(asset, " alone"), aloneWith, aloneWithout);
        uint256 overhead = _report(string.concat(asset, " batch of 50"), batchWith, batchWithout);
        vm.assertLe(overhead, OVERHEAD_MAX, "the guard's share of a batch, basis points");
    }

    function _report(string memory what, uint256 with, uint256 without) private returns (uint256 overhead) {
        overhead = ((with - without) * 10_000) / without;
        vm.snapshotValue("gas", string.concat(what, ", guarded"), with);
        vm.snapshotValue("gas", string.concat(what, ", unguarded"), without);
        vm.snapshotValue("gas", string.concat(what, ", overhead in basis points"), overhead);
    }

    function _gasOf(address to, bytes memory call_) private returns (uint256) {
        (bool ok, bytes memory result) = to.call(call_);
        vm.assertTrue(ok, string(result));
        return vm.lastCallGas().gasTotalUsed;
    }

    function _leg(bool token, uint256 index) private view returns (bytes memory) {
        return token ? tokenLeg(address(usdc), _recipient(index), 1e6) : pack(_recipient(index), 1e6, "");
    }

    /// @dev An address without zero bytes at its beginning: calldata costs what it costs for real ones.
    function _recipient(uint256 index) private pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("recipient", index)))));
    }
}
