// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AgreeingOwner, GuardEraser, HostileToken, ReentrantRecipient} from "./support/Hostile.sol";
import {IVaultGuard} from "./support/IVaultGuard.sol";
import {ISafeFull} from "./support/ISafeFull.sol";
import {SafeTx, VaultTest} from "./support/VaultTest.sol";
import {vm} from "./support/Vm.sol";

/// @title A thief with the keys of all owners of the hot Safe.
contract AttacksTest is VaultTest {
    function testCannotChangeTheSafe() external {
        address owner0 = vm.addr(ownerKeys[0]);
        bytes[8] memory changes = [
            abi.encodeCall(ISafeFull.setGuard, (address(0))),
            abi.encodeCall(ISafeFull.setModuleGuard, (thief)),
            abi.encodeCall(ISafeFull.enableModule, (thief)),
            abi.encodeCall(ISafeFull.disableModule, (address(desk), address(timelock))),
            abi.encodeCall(ISafeFull.setFallbackHandler, (thief)),
            abi.encodeCall(ISafeFull.swapOwner, (address(1), owner0, thief)),
            abi.encodeCall(ISafeFull.addOwnerWithThreshold, (thief, 1)),
            abi.encodeCall(ISafeFull.changeThreshold, (1))
        ];
        for (uint256 i = 0; i < changes.length; i++) {
            mustRefuse(
                called(address(safe), 0, changes[i]),
                abi.encodeWithSelector(IVaultGuard.NotABatch.selector, safe, 0, 0)
            );
            (bool ok, ) = execute(payment(pack(address(safe), 0, changes[i])));
            vm.assertTrue(!ok, "as a leg");
            (ok, ) = execute(payment(bytes.concat(pack(customer, 1, ""), pack(address(safe), 0, changes[i]))));
            vm.assertTrue(!ok, "as a later leg");
            (ok, ) = execute(payment(pack(address(0), 0, changes[i])));
            vm.assertTrue(!ok, "as a leg to the zero address, which MultiSendCallOnly takes for the Safe");
            vm.prank(owner0);
            (ok, ) = address(safe).call(changes[i]);
            vm.assertTrue(!ok, "by an owner directly");
        }
        vm.assertEq(vm.load(address(safe), GUARD_SLOT), bytes32(uint256(uint160(address(guard)))), "guard");
    }

    function testCannotDelegateElsewhere() external {
        address eraser = address(new GuardEraser());
        bytes memory erase = abi.encodeCall(GuardEraser.erase, ());
        mustRefuse(delegated(eraser, erase), abi.encodeWithSelector(IVaultGuard.NotABatch.selector, eraser, 0, 1));
        address loose = createSafeContract("libraries/MultiSend.sol/MultiSend.json");
        bytes memory legs = abi.encodePacked(uint8(1), eraser, uint256(0), erase.length, erase);
        bytes memory data = abi.encodeWithSignature("multiSend(bytes)", legs);
        mustRefuse(delegated(loose, data), abi.encodeWithSelector(IVaultGuard.NotABatch.selector, loose, 0, 1));
        (bool ok, ) = execute(payment(legs));
        vm.assertTrue(!ok, "a delegatecall as a leg");
        address creator = createSafeContract("libraries/CreateCall.sol/CreateCall.json");
        bytes memory create_ = abi.encodeWithSignature("performCreate(uint256,bytes)", 1 ether, hex"00");
        mustRefuse(delegated(creator, create_), abi.encodeWithSelector(IVaultGuard.NotABatch.selector, creator, 0, 1));
    }

    function testCannotSignAMessage() external {
        address library_ = createSafeContract("libraries/SignMessageLib.sol/SignMessageLib.json");
        bytes memory data = abi.encodeWithSignature("signMessage(bytes)", abi.encode(keccak256("permit")));
        mustRefuse(delegated(library_, data), abi.encodeWithSelector(IVaultGuard.NotABatch.selector, library_, 0, 1));
    }

    function testCannotTakeTheGasRefund() external {
        SafeTx memory tx_ = payment(pack(customer, 1, ""));
        (tx_.baseGas, tx_.gasPrice, tx_.gasToken, tx_.refundReceiver) = (1, 1e12, address(usdc), thief);
        mustRefuse(
            tx_,
            abi.encodeWithSelector(IVaultGuard.RefundRefused.selector, 0, 1, 1e12, address(usdc), thief)
        );
        vm.assertEq(usdc.balanceOf(thief), 0, "refund");
    }

    function testCannotHandOutAllowances() external {
        bytes[6] memory calls = [
            abi.encodeWithSignature("approve(address,uint256)", thief, 1e12),
            abi.encodeWithSignature("increaseAllowance(address,uint256)", thief, 1e12),
            abi.encodeWithSignature("transferFrom(address,address,uint256)", safe, thief, 1e12),
            abi.encodeWithSignature("permit(address,address,uint256,uint256,bytes)", safe, thief, 1e12, START, ""),
            abi.encodeWithSignature("mint(address,uint256)", thief, 1e12),
            abi.encodeWithSignature("transferOwnership(address)", thief)
        ];
        for (uint256 i = 0; i < calls.length; i++) {
            mustRefuse(
                payment(pack(address(usdc), 0, calls[i])),
                abi.encodeWithSelector(IVaultGuard.LegRefused.selector, 1, usdc, 0, calls[i].length)
            );
            mustRefuse(
                called(address(usdc), 0, calls[i]),
                abi.encodeWithSelector(IVaultGuard.NotABatch.selector, usdc, 0, 0)
            );
        }
    }

    /// @dev USDC takes contract signatures, so a transfer could pass the guard by.
    function testCannotAuthoriseATransferByMessage() external {
        bytes32 kind = keccak256(
            "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 content = keccak256(abi.encode(kind, safe, thief, 1e12, 0, START + 1, bytes32("n")));
        bytes32 digest = typedHash(usdc.DOMAIN_SEPARATOR(), content);
        bytes[] memory forms = _everyForm(digest);
        for (uint256 i = 0; i < forms.length; i++) {
            vm.expectRevert();
            usdc.transferWithAuthorization(address(safe), thief, 1e12, 0, START + 1, "n", forms[i]);
            vm.prank(thief);
            vm.expectRevert();
            usdc.receiveWithAuthorization(address(safe), thief, 1e12, 0, START + 1, "n", forms[i]);
        }
        bytes32 permit = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        content = keccak256(abi.encode(permit, safe, thief, 1e12, 0, START + 1));
        forms = _everyForm(typedHash(usdc.DOMAIN_SEPARATOR(), content));
        for (uint256 i = 0; i < forms.length; i++) {
            vm.expectRevert();
            usdc.permit(address(safe), thief, 1e12, START + 1, forms[i]);
        }
        vm.assertEq(usdc.allowance(address(safe), thief), 0, "allowance");
    }

    /// @dev The same signatures open a Safe with the usual handler: the test above refuses for the right reason.
    function testTheUsualHandlerWouldLetAMessagePay() external {
        address usual = createSafeContract("handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json");
        vm.prank(address(safe));
        safe.setFallbackHandler(usual);
        bytes32 kind = keccak256(
            "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 content = keccak256(abi.encode(kind, safe, thief, 1e12, 0, START + 1, bytes32("n")));
        bytes[] memory forms = _everyForm(typedHash(usdc.DOMAIN_SEPARATOR(), content));
        usdc.transferWithAuthorization(address(safe), thief, 1e12, 0, START + 1, "n", forms[1]);
        vm.assertEq(usdc.balanceOf(thief), 1e12, "stolen past the guard");
    }

    function testManySmallPayoutsTakeNoMoreThanTheLimits() external {
        uint256 taken = 0;
        for (uint256 i = 0; i < 60; i++) {
            bytes memory legs = "";
            for (uint256 leg = 0; leg < 10; leg++) {
                legs = bytes.concat(
                    legs,
                    pack(thief, NATIVE_CAPACITY / 500, ""),
                    tokenLeg(address(usdt), thief, TOKEN_CAPACITY / 500),
                    tokenLeg(address(usdc), thief, TOKEN_CAPACITY / 500)
                );
            }
            (bool ok, ) = execute(payment(legs));
            if (ok) taken++;
        }
        vm.assertEq(taken, 50, "batches until the buckets are full");
        vm.assertEq(thief.balance, NATIVE_CAPACITY, "native");
        vm.assertEq(usdt.balanceOf(thief), TOKEN_CAPACITY, "usdt");
        vm.assertEq(usdc.balanceOf(thief), TOKEN_CAPACITY, "usdc");
    }

    function testATransactionInsideAPaymentIsChargedToo() external {
        ReentrantRecipient recipient = new ReentrantRecipient(address(safe));
        SafeTx memory outer = payment(pack(address(recipient), NATIVE_CAPACITY / 2 + 1, ""));
        bytes memory outerCall = signed(outer);
        // Signed for the nonce that the Safe has while the outer one runs.
        vm.prank(address(this));
        recipient.prepare(_signedForNextNonce(payment(pack(thief, NATIVE_CAPACITY / 2, ""))));
        (bool ok, ) = address(safe).call(outerCall);
        vm.assertTrue(ok, "the outer payment fits");
        vm.assertTrue(!recipient.went(), "both together do not");
        vm.assertEq(thief.balance, 0, "inner payment");
    }

    /// @dev A token that calls whom it likes while the Safe pays with it: what fits is charged, what does not is refused.
    function testATransactionInsideATokensTransferIsChargedToo() external {
        HostileToken token = new HostileToken(HostileToken.Mode.Calls, address(safe));
        govern(address(guard), abi.encodeCall(IVaultGuard.setLimit, (IVaultGuard.TokenLimit(address(token), 100, 1))));
        vm.warp(block.timestamp + 100);
        bytes memory outer = signed(payment(tokenLeg(address(token), customer, 60)));
        token.prepare(address(safe), _signedForNextNonce(payment(tokenLeg(address(token), thief, 41))));
        (bool ok, ) = address(safe).call(outer);
        vm.assertTrue(ok, "the outer payment fits");
        vm.assertEq(token.balanceOf(thief), 0, "both together do not");
        vm.assertEq(guard.available(address(token)), 40, "charged once");
        outer = signed(payment(tokenLeg(address(token), customer, 10)));
        token.prepare(address(safe), _signedForNextNonce(payment(pack(thief, NATIVE_CAPACITY, ""))));
        (ok, ) = address(safe).call(outer);
        vm.assertTrue(ok && thief.balance == NATIVE_CAPACITY, "another token's payment fits");
        vm.assertEq(guard.available(address(0)), 0, "and is charged");
    }

    /// @dev The Safe decodes the outer call and encodes anew what it asks: an odd layout shows the guard nothing else than
    /// what is executed.
    function testAnOddLayoutOfTheOuterCallChangesNothing() external {
        SafeTx[2] memory bad = [
            called(address(safe), 0, abi.encodeCall(ISafeFull.setGuard, (address(0)))),
            called(thief, NATIVE_CAPACITY + 1, "")
        ];
        for (uint256 i = 0; i < 2; i++) {
            (bool went, bytes memory reason) = address(safe).call(_oddly(bad[i], payment(pack(customer, 1, "")).data));
            vm.assertTrue(!went, "it went through");
            vm.assertEq(
                reason,
                abi.encodeWithSelector(IVaultGuard.NotABatch.selector, bad[i].to, bad[i].value, 0),
                "what is executed is what is asked"
            );
        }
        (bool ok, ) = address(safe).call(_oddly(payment(pack(customer, 5, "")), payment(pack(thief, 6, "")).data));
        vm.assertTrue(ok && customer.balance == 5 && thief.balance == 0, "a payment is a payment");
        vm.assertEq(guard.available(address(0)), NATIVE_CAPACITY - 5, "charged");
    }

    /// @dev An owner that is a contract, and one that signs by sending.
    function testSignaturesOfOtherKindsMeetTheGuard() external {
        address agrees = address(new AgreeingOwner());
        governSafe(abi.encodeCall(ISafeFull.addOwnerWithThreshold, (agrees, 2)));
        address sends = vm.addr(ownerKeys[0]);
        bytes memory bySending = abi.encodePacked(bytes32(uint256(uint160(sends))), bytes32(0), uint8(1));
        bytes memory byContract = abi.encodePacked(bytes32(uint256(uint160(agrees))), uint256(130), uint8(0));
        bytes memory both = sends < agrees ? bytes.concat(bySending, byContract) : bytes.concat(byContract, bySending);
        both = bytes.concat(both, bytes32(0));
        SafeTx memory erase = called(address(safe), 0, abi.encodeCall(ISafeFull.setGuard, (address(0))));
        vm.prank(sends);
        (bool ok, bytes memory reason) = address(safe).call(signedWith(erase, both));
        vm.assertTrue(!ok, "it went through");
        vm.assertEq(reason, abi.encodeWithSelector(IVaultGuard.NotABatch.selector, safe, 0, 0), "by the guard");
        bytes memory pay = signedWith(payment(pack(customer, 5, "")), both);
        vm.prank(sends);
        (ok, ) = address(safe).call(pay);
        vm.assertTrue(ok && customer.balance == 5, "the signatures are good");
        vm.assertEq(guard.available(address(0)), NATIVE_CAPACITY - 5, "charged");
    }

    function testAnApprovedHashStillMeetsTheGuard() external {
        SafeTx memory tx_ = called(address(safe), 0, abi.encodeCall(ISafeFull.setGuard, (address(0))));
        bytes32 hash = hashOf(tx_);
        for (uint256 i = 0; i < 2; i++) {
            vm.prank(vm.addr(ownerKeys[i]));
            safe.approveHash(hash);
        }
        mustRefuse(tx_, abi.encodeWithSelector(IVaultGuard.NotABatch.selector, safe, 0, 0));
    }

    /// @dev Signatures as a thief may dress them: bare, over Safe's own message, behind a made-up preimage.
    function _everyForm(bytes32 digest) private returns (bytes[] memory forms) {
        forms = new bytes[](5);
        forms[0] = signatures2(digest);
        bytes32 kind = keccak256("SafeMessage(bytes message)");
        bytes32 message = keccak256(abi.encode(kind, keccak256(abi.encode(digest))));
        forms[1] = signatures2(typedHash(safe.domainSeparator(), message));
        forms[2] = bytes.concat(digest, bytes32(START), signatures2(digest));
        bytes32 statement = handler.statementHash(digest, START);
        forms[3] = bytes.concat(digest, bytes32(START), signatures2(statement));
        forms[4] = "";
        for (uint256 i = 0; i < 2; i++) {
            vm.prank(vm.addr(ownerKeys[i]));
            safe.approveHash(digest);
        }
    }

    /// @dev The signatures before the data, and where the data usually lies a decoy.
    function _oddly(SafeTx memory tx_, bytes memory decoy) private view returns (bytes memory) {
        bytes memory usual = signedWith(tx_, "");
        bytes memory tail = abi.encode(decoy, signatures2(hashOf(tx_)), tx_.data);
        bytes memory head = new bytes(4 + 320);
        for (uint256 i = 0; i < head.length; i++) head[i] = usual[i];
        (uint256 signaturesAt, uint256 dataAt) = (320 + _wordOf(tail, 32), 320 + _wordOf(tail, 64));
        assembly ("memory-safe") {
            mstore(add(head, 100), dataAt)
            mstore(add(head, 324), signaturesAt)
        }
        return bytes.concat(head, tail);
    }

    function _wordOf(bytes memory data, uint256 place) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 32), place))
        }
    }

    function _signedForNextNonce(SafeTx memory tx_) private returns (bytes memory) {
        bytes32 slot = bytes32(uint256(5));
        uint256 nonce = safe.nonce();
        vm.store(address(safe), slot, bytes32(nonce + 1));
        bytes memory call_ = signed(tx_);
        vm.store(address(safe), slot, bytes32(nonce));
        return call_;
    }
}
