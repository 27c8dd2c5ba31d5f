// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVaultGuard} from "./support/IVaultGuard.sol";
import {ISafeFull} from "./support/ISafeFull.sol";
import {SafeTx, VaultTest} from "./support/VaultTest.sol";
import {vm} from "./support/Vm.sol";

/// @title One test a rule of the guard, on a real Safe with real signatures.
contract GuardRulesTest is VaultTest {
    bytes4 private constant TRANSFER = 0xa9059cbb;

    function testPaysNativeAndTokensInOneBatch() external {
        mustExecute(
            payment(
                bytes.concat(
                    pack(customer, 1 ether, ""),
                    tokenLeg(address(usdt), customer, 5e6),
                    tokenLeg(address(usdc), customer, 7e6),
                    pack(thief, 2 ether, ""),
                    tokenLeg(address(usdt), thief, 6e6)
                )
            )
        );
        vm.assertEq(customer.balance, 1 ether, "native");
        vm.assertEq(usdt.balanceOf(customer), 5e6, "usdt");
        vm.assertEq(usdc.balanceOf(customer), 7e6, "usdc");
        vm.assertEq(guard.available(address(0)), NATIVE_CAPACITY - 3 ether, "every leg is charged");
        vm.assertEq(guard.available(address(usdt)), TOKEN_CAPACITY - 11e6, "a token that comes again is charged again");
        vm.assertEq(guard.available(address(usdc)), TOKEN_CAPACITY - 7e6, "each token has its own bucket");
    }

    function testRefusesWhatIsNoBatch() external {
        bytes memory data = payment(pack(customer, 1, "")).data;
        mustRefuse(called(customer, 1, ""), abi.encodeWithSelector(IVaultGuard.NotABatch.selector, customer, 1, 0));
        mustRefuse(
            called(address(usdt), 0, abi.encodeWithSelector(TRANSFER, customer, 1)),
            abi.encodeWithSelector(IVaultGuard.NotABatch.selector, usdt, 0, 0)
        );
        mustRefuse(called(multiSend, 0, data), abi.encodeWithSelector(IVaultGuard.NotABatch.selector, multiSend, 0, 0));
        mustRefuse(delegated(thief, data), abi.encodeWithSelector(IVaultGuard.NotABatch.selector, thief, 0, 1));
        SafeTx memory withValue = delegated(multiSend, data);
        withValue.value = 1;
        mustRefuse(withValue, abi.encodeWithSelector(IVaultGuard.NotABatch.selector, multiSend, 1, 1));
    }

    function testRefusesEncodingsThatAreNotCanonical() external {
        bytes memory legs = bytes.concat(deadlineLeg(START + 1), pack(customer, 1, ""));
        bytes memory good = abi.encodeWithSignature("multiSend(bytes)", legs);
        _malformed("");
        _malformed(abi.encodePacked(bytes4(0x8d80ff0a), uint256(32)));
        _malformed(abi.encodePacked(bytes4(0x8d80ff0b), abi.encode(legs)));
        _malformed(bytes.concat(good, hex"00"));
        _malformed(bytes.concat(good, bytes32(0)));
        _malformed(abi.encodePacked(bytes4(0x8d80ff0a), uint256(64), legs.length, legs, new bytes(18)));
        _malformed(abi.encodePacked(bytes4(0x8d80ff0a), uint256(32), type(uint256).max, legs));
        _malformed(abi.encodePacked(bytes4(0x8d80ff0a), uint256(32), legs.length, legs));
        good[good.length - 1] = 0x01;
        _malformed(good);
    }

    function testWantsTheDeadlineInTheFirstLeg() external {
        bytes memory pay = pack(customer, 1, "");
        bytes memory name = abi.encodeCall(IVaultGuard.notAfter, (START + 1));
        bytes memory none = abi.encodeWithSelector(IVaultGuard.DeadlineMissing.selector);
        mustRefuse(batchOf(""), none);
        mustRefuse(batchOf(bytes.concat(pay, pay)), none);
        mustRefuse(batchOf(bytes.concat(pay, deadlineLeg(START + 1))), none);
        mustRefuse(batchOf(bytes.concat(pack(thief, 0, name), pay)), none);
        mustRefuse(batchOf(bytes.concat(pack(address(guard), 1, name), pay)), none);
        mustRefuse(batchOf(bytes.concat(pack(address(guard), 0, bytes.concat(name, hex"00")), pay)), none);
        mustRefuse(batchOf(bytes.concat(pack(address(guard), 0, abi.encode(name)), pay)), none);
        mustRefuse(batchOf(abi.encodePacked(uint8(1), guard, uint256(0), name.length, name, pay)), none);
        // Cut off inside the deadline: what follows in the calldata is padding.
        mustRefuse(batchOf(abi.encodePacked(uint8(0), guard, uint256(0), name.length, bytes20(bytes(name)))), none);
        mustRefuse(batchOf(deadlineLeg(START + 1)), abi.encodeWithSelector(IVaultGuard.NothingPaid.selector));
    }

    function testHoldsTheDeadline() external {
        bytes memory pay = pack(customer, 1, "");
        mustExecute(batchOf(bytes.concat(deadlineLeg(START), pay)));
        mustRefuse(
            batchOf(bytes.concat(deadlineLeg(START - 1), pay)),
            abi.encodeWithSelector(IVaultGuard.DeadlinePassed.selector, START - 1, START)
        );
        mustExecute(batchOf(bytes.concat(deadlineLeg(START + 1 days), pay)));
        mustRefuse(
            batchOf(bytes.concat(deadlineLeg(START + 1 days + 1), pay)),
            abi.encodeWithSelector(IVaultGuard.DeadlineTooFar.selector, START + 1 days + 1, START + 1 days)
        );
        mustRefuse(
            batchOf(bytes.concat(deadlineLeg(type(uint256).max), pay)),
            abi.encodeWithSelector(IVaultGuard.DeadlineTooFar.selector, type(uint256).max, START + 1 days)
        );
        bytes memory kept = signed(payment(pay));
        vm.warp(START + 1 hours + 1);
        (bool ok, ) = address(safe).call(kept);
        vm.assertTrue(!ok, "signed earlier and kept");
        vm.expectRevert(abi.encodeWithSelector(IVaultGuard.DeadlinePassed.selector, 5, START + 1 hours + 1));
        guard.notAfter(5);
    }

    function testRefusesEveryRefundField() external {
        SafeTx memory tx_ = payment(pack(customer, 1, ""));
        tx_.safeTxGas = 1;
        mustRefuse(tx_, _refund(tx_));
        (tx_.safeTxGas, tx_.baseGas) = (0, 1);
        mustRefuse(tx_, _refund(tx_));
        (tx_.baseGas, tx_.gasPrice) = (0, 1);
        mustRefuse(tx_, _refund(tx_));
        (tx_.gasPrice, tx_.gasToken) = (0, address(usdt));
        mustRefuse(tx_, _refund(tx_));
        (tx_.gasToken, tx_.refundReceiver) = (address(0), thief);
        mustRefuse(tx_, _refund(tx_));
        tx_.refundReceiver = address(0);
        mustExecute(tx_);
    }

    function testRefusesLegsThatAreNoPayment() external {
        bytes memory transfer = abi.encodeWithSelector(TRANSFER, customer, 1);
        bytes memory dirty = abi.encodePacked(TRANSFER, uint96(1), customer, uint256(1));
        _leg(pack(customer, 1, hex"00"), IVaultGuard.LegRefused.selector, customer, 1, 1);
        _leg(pack(address(usdt), 1, transfer), IVaultGuard.LegRefused.selector, address(usdt), 1, 68);
        _leg(pack(address(usdt), 0, dirty), IVaultGuard.LegRefused.selector, address(usdt), 0, 68);
        _leg(pack(address(usdt), 0, bytes.concat(transfer, hex"00")), IVaultGuard.LegRefused.selector, address(usdt), 0, 69);
        _leg(pack(address(usdt), 0, hex"a9059cbb"), IVaultGuard.LegRefused.selector, address(usdt), 0, 4);
        // MultiSendCallOnly would call the Safe.
        _leg(pack(address(0), 1, ""), IVaultGuard.LegRefused.selector, address(0), 1, 0);
        _leg(pack(address(0), 0, transfer), IVaultGuard.LegRefused.selector, address(0), 0, 68);
        bytes memory delegate = abi.encodePacked(uint8(1), usdt, uint256(0), transfer.length, transfer);
        _leg(delegate, IVaultGuard.LegRefused.selector, address(usdt), 0, 68);
        bytes memory cut = abi.encodeWithSelector(IVaultGuard.LegCutShort.selector, 1);
        mustRefuse(payment(hex"00"), cut);
        mustRefuse(payment(abi.encodePacked(uint8(0), usdt, uint256(0), uint256(68), bytes32(transfer))), cut);
    }

    function testRefusesRecipientsOfTheVault() external {
        address[6] memory own = [address(safe), address(guard), address(desk), address(timelock), multiSend, address(0)];
        for (uint256 i = 0; i < own.length; i++) {
            bytes memory reason = abi.encodeWithSelector(IVaultGuard.RecipientRefused.selector, 1, own[i]);
            mustRefuse(payment(tokenLeg(address(usdt), own[i], 1)), reason);
            if (own[i] != address(0)) mustRefuse(payment(pack(own[i], 1, "")), reason);
        }
    }

    function testRefusesAmountsOfNothingAndBeyondTheBucketsRange() external {
        uint256 huge = uint256(type(uint128).max) + 1;
        _amount(pack(customer, 0, ""), 0);
        _amount(tokenLeg(address(usdt), customer, 0), 0);
        _amount(pack(customer, huge, ""), huge);
        _amount(tokenLeg(address(usdt), customer, type(uint256).max), type(uint256).max);
    }

    function testRefusesTokensThatAreNotRegistered() external {
        address stranger = create("TestUSDT", "");
        mustRefuse(
            payment(tokenLeg(stranger, customer, 1)),
            abi.encodeWithSelector(IVaultGuard.TokenNotRegistered.selector, stranger)
        );
        govern(address(guard), abi.encodeCall(IVaultGuard.setLimit, (IVaultGuard.TokenLimit(address(0), 0, 9))));
        mustRefuse(
            payment(pack(customer, 1, "")),
            abi.encodeWithSelector(IVaultGuard.TokenNotRegistered.selector, address(0))
        );
    }

    function testHoldsTheLimitOfEachTokenAndRefills() external {
        mustExecute(payment(tokenLeg(address(usdt), customer, TOKEN_CAPACITY)));
        bytes memory one = tokenLeg(address(usdt), customer, 1);
        bytes memory over = abi.encodeWithSelector(IVaultGuard.LimitExceeded.selector, usdt, 1, 0);
        mustRefuse(payment(one), over);
        mustRefuse(payment(bytes.concat(pack(customer, 1, ""), one)), over);
        mustExecute(payment(tokenLeg(address(usdc), customer, TOKEN_CAPACITY)));
        vm.warp(START + 7);
        mustRefuse(
            payment(tokenLeg(address(usdt), customer, 7 * TOKEN_REFILL + 1)),
            abi.encodeWithSelector(IVaultGuard.LimitExceeded.selector, usdt, 7 * TOKEN_REFILL + 1, 7 * TOKEN_REFILL)
        );
        mustExecute(payment(tokenLeg(address(usdt), customer, 7 * TOKEN_REFILL)));
        mustRefuse(payment(one), over);
        vm.warp(START + 365 days);
        vm.assertEq(guard.available(address(usdt)), TOKEN_CAPACITY, "never more than the capacity");
    }

    function testAChangeOfTheLimitKeepsWhatWasPaid() external {
        mustExecute(payment(tokenLeg(address(usdt), customer, TOKEN_CAPACITY)));
        IVaultGuard.TokenLimit memory limit = IVaultGuard.TokenLimit(address(usdt), TOKEN_CAPACITY, 1);
        govern(address(guard), abi.encodeCall(IVaultGuard.setLimit, (limit)));
        uint256 leaked = DELAY * TOKEN_REFILL;
        vm.assertEq(guard.available(address(usdt)), leaked > TOKEN_CAPACITY ? TOKEN_CAPACITY : leaked, "at the old rate");
        uint256 room = guard.available(address(usdt));
        mustExecute(payment(tokenLeg(address(usdt), customer, room)));
        limit.capacity = 5;
        govern(address(guard), abi.encodeCall(IVaultGuard.setLimit, (limit)));
        vm.assertEq(guard.available(address(usdt)), 0, "a capacity below the level leaves nothing");
        (uint128 capacity, uint128 refill) = guard.limitOf(address(usdt));
        vm.assertEq(capacity, 5, "capacity");
        vm.assertEq(refill, 1, "refill");
    }

    function testAPausedVaultPaysNobody() external {
        vm.prank(address(desk));
        guard.pause();
        mustRefuse(payment(pack(customer, 1, "")), abi.encodeWithSelector(IVaultGuard.VaultIsPaused.selector));
        unpauseVault();
        mustExecute(payment(pack(customer, 1, "")));
    }

    /// @dev A signer pauses again, paused or not, while an unpausing waits or lies ready.
    function testAnUnpauseDoesNotOverruleALaterPause() external {
        for (uint64 count = 1; count < 5; count += 2) {
            pauseVault(count);
            bytes memory data = abi.encodeCall(IVaultGuard.unpause, (count));
            vm.prank(governance);
            timelock.schedule(address(guard), 0, data, 0, 0, DELAY);
            vm.warp(block.timestamp + DELAY);
            if (count == 3) unpauseVault();
            pauseVault(count + 1);
            vm.expectRevert(abi.encodeWithSelector(IVaultGuard.NotTheLastPause.selector, count, count + 1));
            timelock.execute(address(guard), 0, data, 0, 0);
            unpauseVault();
        }
        mustExecute(payment(pack(customer, 1, "")));
    }

    /// @dev The count that the next pause will have can be foreseen; the delay must still pass after it.
    function testAnUnpauseInAdvanceWaitsForTheDelayAfterThePause() external {
        bytes memory data = abi.encodeCall(IVaultGuard.unpause, (1));
        vm.prank(governance);
        timelock.schedule(address(guard), 0, data, 0, 0, DELAY);
        vm.warp(START + DELAY + 1 days);
        pauseVault(1);
        vm.warp(START + 2 * DELAY + 1 days - 1);
        vm.expectRevert(abi.encodeWithSelector(IVaultGuard.UnpausedTooSoon.selector, START + 2 * DELAY + 1 days));
        timelock.execute(address(guard), 0, data, 0, 0);
        vm.warp(START + 2 * DELAY + 1 days);
        timelock.execute(address(guard), 0, data, 0, 0);
        vm.assertTrue(!guard.paused(), "after the delay, as nobody vetoed");
    }

    /// @dev Over the replacement of a guard too, no more leaves than capacity and refill.
    function testAReplacementGivesNoSecondCapacity() external {
        vm.expectRevert(abi.encodeWithSelector(IVaultGuard.LimitsRefused.selector, guard));
        this.deployGuard(address(timelock), multiSend, usualLimits());
        uint256 start = usdt.balanceOf(address(safe));
        vm.warp(START + 10 * DELAY);
        replaceGuard();
        mustRefuse(
            payment(tokenLeg(address(usdt), customer, 1)),
            abi.encodeWithSelector(IVaultGuard.LimitExceeded.selector, usdt, 1, 0)
        );
        vm.warp(block.timestamp + 7);
        vm.assertEq(guard.available(address(usdt)), 7 * TOKEN_REFILL, "from nothing on, at its rate");
        mustExecute(payment(tokenLeg(address(usdt), customer, 7 * TOKEN_REFILL)));
        vm.assertEq(start - usdt.balanceOf(address(safe)), 7 * TOKEN_REFILL, "left");
    }

    function testRefusesPartiesWithoutCode() external {
        bytes memory missing = abi.encodeWithSelector(IVaultGuard.PartyMissing.selector);
        vm.expectRevert(missing);
        this.deployGuard(governance, multiSend, new IVaultGuard.TokenLimit[](0));
        vm.expectRevert(missing);
        this.deployGuard(address(timelock), customer, new IVaultGuard.TokenLimit[](0));
        this.deployGuard(address(timelock), multiSend, new IVaultGuard.TokenLimit[](0));
    }

    /// @dev A call of its own, as expectRevert wants it.
    function deployGuard(address timelock_, address multiSend_, IVaultGuard.TokenLimit[] calldata limits) external {
        create("VaultGuard", abi.encode(timelock_, multiSend_, limits));
    }

    /// @dev The deadline is a leg, so it holds where no guard or another one asks.
    function testAKeptBatchIsDeadWithoutTheGuardAndWithAnother() external {
        bytes memory kept = signed(payment(pack(thief, 1, "")));
        governSafe(abi.encodeCall(ISafeFull.setGuard, (address(0))));
        (bool ok, ) = address(safe).call(kept);
        vm.assertTrue(!ok, "without a guard");
        replaceGuard();
        (ok, ) = address(safe).call(kept);
        vm.assertTrue(!ok, "with another guard");
        // In time, and signed under the old guard: the new one wants its own deadline.
        vm.warp(START);
        (ok, ) = address(safe).call(kept);
        vm.assertTrue(!ok, "another guard's deadline");
        vm.prank(address(safe));
        safe.setGuard(address(0));
        (ok, ) = address(safe).call(kept);
        vm.assertTrue(ok, "without a guard, in time: only the deadline refused it");
    }

    function testABatchThatFailsIsNotCharged() external {
        address refuses = create("RevertingRecipient", "");
        (bool ok, ) = execute(payment(pack(refuses, 1 ether, "")));
        vm.assertTrue(!ok, "the recipient refuses");
        vm.assertEq(guard.available(address(0)), NATIVE_CAPACITY, "nothing left");
    }

    function testOnlyItsOwnPartiesMayCallIt() external {
        SafeTx memory tx_ = payment(pack(customer, 1, ""));
        vm.prank(thief);
        vm.expectRevert(abi.encodeWithSelector(IVaultGuard.NotTheSafe.selector, thief));
        guard.checkTransaction(tx_.to, 0, tx_.data, 1, 0, 0, 0, address(0), payable(0), "", thief);
        vm.prank(governance);
        vm.expectRevert(abi.encodeWithSelector(IVaultGuard.NotTheDesk.selector, governance));
        guard.pause();
        bytes memory notGovernor = abi.encodeWithSelector(IVaultGuard.NotTheGovernor.selector, governance);
        vm.prank(governance);
        vm.expectRevert(notGovernor);
        guard.unpause(0);
        vm.prank(governance);
        vm.expectRevert(notGovernor);
        guard.setHorizon(1);
        vm.prank(governance);
        vm.expectRevert(notGovernor);
        guard.setLimit(IVaultGuard.TokenLimit(address(usdt), 1, 1));
    }

    function testTakesItsPartiesFromTheTimeLock() external {
        (bool ok, bytes memory result) = address(guard).call(abi.encodeWithSignature("safe()"));
        vm.assertTrue(ok && abi.decode(result, (address)) == address(safe), "safe");
        (ok, result) = address(guard).call(abi.encodeWithSignature("desk()"));
        vm.assertTrue(ok && abi.decode(result, (address)) == address(desk), "desk");
        (ok, result) = address(guard).call(abi.encodeWithSignature("governor()"));
        vm.assertTrue(ok && abi.decode(result, (address)) == address(timelock), "governor");
    }

    function testRefusesSettingsThatMakeNoSense() external {
        address[6] memory bad = [address(safe), address(guard), address(desk), address(timelock), multiSend, customer];
        for (uint256 i = 0; i < bad.length; i++) {
            vm.prank(address(timelock));
            vm.expectRevert(abi.encodeWithSelector(IVaultGuard.TokenRefused.selector, bad[i]));
            guard.setLimit(IVaultGuard.TokenLimit(bad[i], 1, 1));
        }
        vm.prank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(IVaultGuard.HorizonRefused.selector, 0));
        guard.setHorizon(0);
        vm.prank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(IVaultGuard.HorizonRefused.selector, 30 days + 1));
        guard.setHorizon(30 days + 1);
        vm.prank(address(timelock));
        guard.setHorizon(30 days);
        mustExecute(batchOf(bytes.concat(deadlineLeg(START + 30 days), pack(customer, 1, ""))));
    }

    function testReportsWhatChanges() external {
        vm.expectEmit(address(guard));
        emit IVaultGuard.Paused();
        vm.prank(address(desk));
        guard.pause();
        vm.warp(START + DELAY);
        vm.expectEmit(address(guard));
        emit IVaultGuard.Unpaused();
        vm.prank(address(timelock));
        guard.unpause(1);
        vm.expectEmit(address(guard));
        emit IVaultGuard.HorizonChanged(60);
        vm.prank(address(timelock));
        guard.setHorizon(60);
        vm.expectEmit(address(guard));
        emit IVaultGuard.LimitChanged(address(usdt), 3, 4);
        vm.prank(address(timelock));
        guard.setLimit(IVaultGuard.TokenLimit(address(usdt), 3, 4));
    }

    function testNamesItsInterfaces() external view {
        vm.assertTrue(guard.supportsInterface(0xe6d7a83a), "Safe's transaction guard");
        vm.assertTrue(guard.supportsInterface(0x01ffc9a7), "ERC-165");
        vm.assertTrue(!guard.supportsInterface(0xffffffff), "ERC-165's invalid id");
        vm.assertTrue(!guard.supportsInterface(0x58401ed8), "it is no module guard");
    }

    function _malformed(bytes memory data) private {
        mustRefuse(
            delegated(multiSend, data),
            abi.encodeWithSelector(IVaultGuard.BatchMalformed.selector, data.length)
        );
    }

    function _leg(bytes memory leg, bytes4 error_, address to, uint256 value, uint256 length) private {
        mustRefuse(payment(leg), abi.encodeWithSelector(error_, 1, to, value, length));
        bytes memory second = bytes.concat(pack(customer, 1, ""), leg);
        mustRefuse(payment(second), abi.encodeWithSelector(error_, 2, to, value, length));
    }

    function _amount(bytes memory leg, uint256 amount) private {
        mustRefuse(payment(leg), abi.encodeWithSelector(IVaultGuard.AmountRefused.selector, 1, amount));
    }

    function _refund(SafeTx memory tx_) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(
                IVaultGuard.RefundRefused.selector,
                tx_.safeTxGas,
                tx_.baseGas,
                tx_.gasPrice,
                tx_.gasToken,
                tx_.refundReceiver
            );
    }
}
