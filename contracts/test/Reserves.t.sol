// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ISafeFull} from "./support/ISafeFull.sol";
import {VaultTest} from "./support/VaultTest.sol";
import {vm} from "./support/Vm.sol";

/// @title The Safe signs statements of reserves and nothing else.
contract ReservesTest is VaultTest {
    bytes32 private constant STATEMENT = keccak256("statement");
    bytes4 private constant VALID = 0x1626ba7e;
    bytes4 private constant INVALID = 0xffffffff;

    function testSaysYesToAStatementOfTheOwners() external view {
        bytes32 hash = _hash(STATEMENT, START);
        bytes memory signature_ = bytes.concat(STATEMENT, bytes32(START), signatures2(hash));
        _answers(hash, signature_, VALID);
        vm.assertEq(handler.statementHash(STATEMENT, START), hash, "what owners sign");
    }

    function testSaysNoToEverythingElse() external view {
        bytes32 hash = _hash(STATEMENT, START);
        bytes memory good = signatures2(hash);
        _answers(hash, "", INVALID);
        _answers(hash, good, INVALID);
        _answers(hash, abi.encodePacked(STATEMENT), INVALID);
        _answers(hash, bytes.concat(STATEMENT, bytes32(START)), INVALID);
        _answers(hash, bytes.concat(STATEMENT, bytes32(START + 1), good), INVALID);
        _answers(hash, bytes.concat(bytes32(0), bytes32(START), good), INVALID);
        _answers(bytes32(0), bytes.concat(STATEMENT, bytes32(START), good), INVALID);
        // One owner, the same owner twice, a stranger, another hash.
        bytes memory head = bytes.concat(STATEMENT, bytes32(START));
        bytes memory one = signature(ownerKeys[0], hash);
        _answers(hash, bytes.concat(head, one), INVALID);
        _answers(hash, bytes.concat(head, one, one), INVALID);
        _answers(hash, bytes.concat(head, one, signature(emergencyKeys[0], hash)), INVALID);
        _answers(hash, bytes.concat(head, signatures2(keccak256("other"))), INVALID);
    }

    function testAStatementIsForThisSafeOnThisChain() external {
        bytes32 other = _statement(domainOf("Holdfast reserves", customer), STATEMENT, START);
        _answers(other, bytes.concat(STATEMENT, bytes32(START), signatures2(other)), INVALID);
        bytes32 name = _statement(domainOf("Holdfast", address(safe)), STATEMENT, START);
        _answers(name, bytes.concat(STATEMENT, bytes32(START), signatures2(name)), INVALID);
        bytes32 hash = _hash(STATEMENT, START);
        bytes memory signature_ = bytes.concat(STATEMENT, bytes32(START), signatures2(hash));
        vm.chainId(1);
        _answers(hash, signature_, INVALID);
    }

    /// @dev Safe counts the sender of a transaction as an owner that approved; nobody sends a question.
    function testAnOwnerWhoAsksDoesNotCountAsHavingSigned() external {
        bytes32 hash = _hash(STATEMENT, START);
        address asks = vm.addr(ownerKeys[1]);
        bytes memory byApproval = abi.encodePacked(bytes32(uint256(uint160(asks))), bytes32(0), uint8(1));
        bytes memory both = bytes.concat(STATEMENT, bytes32(START), signature(ownerKeys[0], hash), byApproval);
        vm.prank(asks);
        vm.assertTrue(handler.isValidSignature(hash, both) == INVALID, "not approved");
        vm.prank(asks);
        safe.approveHash(hash);
        _answers(hash, both, VALID);
    }

    function testFuzzNoHashButItsOwn(bytes32 hash, bytes32 statement, uint256 timestamp) external view {
        bool own = hash == _hash(statement, timestamp);
        bytes memory signature_ = bytes.concat(statement, bytes32(timestamp), signatures2(hash));
        _answers(hash, signature_, own ? VALID : INVALID);
        hash = _hash(statement, timestamp);
        _answers(hash, bytes.concat(statement, bytes32(timestamp), signatures2(hash)), VALID);
    }

    function testAnswersNothingElseInTheSafesName() external {
        (bool ok, ) = address(safe).call(
            abi.encodeWithSignature("onERC721Received(address,address,uint256,bytes)", thief, thief, 1, "")
        );
        vm.assertTrue(!ok, "no other callback");
        (ok, ) = address(safe).call(abi.encodeWithSignature("isValidSignature(bytes,bytes)", "", ""));
        vm.assertTrue(!ok, "nor the older ERC-1271");
    }

    function testAStatementIsNoTransaction() external {
        bytes32 hash = _hash(STATEMENT, START);
        vm.assertTrue(hash != hashOf(payment(pack(customer, 1, ""))), "another domain");
        bytes memory call_ = abi.encodeWithSignature(
            "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
            address(safe),
            0,
            abi.encodeCall(ISafeFull.setGuard, (address(0))),
            0,
            0,
            0,
            0,
            address(0),
            address(0),
            signatures2(hash)
        );
        vm.expectRevert(bytes("GS026"));
        (bool ok, ) = address(safe).call(call_);
        vm.assertTrue(ok, "expectRevert turns the result round");
    }

    function _hash(bytes32 statement, uint256 timestamp) private view returns (bytes32) {
        return _statement(domainOf("Holdfast reserves", address(safe)), statement, timestamp);
    }

    function _statement(bytes32 domain, bytes32 statement, uint256 timestamp) private pure returns (bytes32) {
        bytes32 kind = keccak256("ReservesStatement(bytes32 statement,uint256 timestamp)");
        return typedHash(domain, keccak256(abi.encode(kind, statement, timestamp)));
    }

    /// @dev Asked directly and, as everybody does, through the Safe.
    function _answers(bytes32 hash, bytes memory signature_, bytes4 expected) private view {
        vm.assertTrue(handler.isValidSignature(hash, signature_) == expected, "the handler");
        vm.assertTrue(IERC1271(address(safe)).isValidSignature(hash, signature_) == expected, "the Safe");
    }
}
