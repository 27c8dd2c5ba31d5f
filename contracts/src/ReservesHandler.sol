// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ISafe} from "./Safe.sol";

/// @title The Safe's fallback handler: its signature under a statement of reserves, and under nothing else.
/// @dev Threats: contracts/THREATS.md. Tokens accept contract signatures for permits and authorised transfers, and such a
/// transfer never reaches the guard. So this handler does not ask whether owners signed a hash; it asks whether they signed
/// a statement, and computes the hash from it. A hash of another domain has no preimage here.
contract ReservesHandler is IERC1271 {
    bytes4 private constant INVALID = 0xffffffff;
    /// @dev Statement (32), timestamp (32); the owners' signatures follow.
    uint256 private constant PREIMAGE_LENGTH = 32 + 32;

    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant STATEMENT_TYPE = keccak256("ReservesStatement(bytes32 statement,uint256 timestamp)");

    ISafe public immutable safe;

    constructor(ISafe safe_) {
        safe = safe_;
    }

    /// @notice ERC-1271. Also when called through the Safe, which appends the caller's address.
    /// @param signature statement (32 bytes), timestamp (32, seconds), owners' signatures as Safe.checkSignatures wants them.
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        if (signature.length < PREIMAGE_LENGTH) return INVALID;
        bytes32 statement = bytes32(signature[:32]);
        uint256 timestamp = uint256(bytes32(signature[32:64]));
        if (hash != statementHash(statement, timestamp)) return INVALID;
        // No executor: an owner that happens to relay must not count as having signed.
        try safe.checkSignatures(address(0), hash, signature[PREIMAGE_LENGTH:]) {
            return IERC1271.isValidSignature.selector;
        } catch {
            return INVALID;
        }
    }

    /// @notice What owners sign, EIP-712: the hash of a statement of reserves and its time in seconds.
    function statementHash(bytes32 statement, uint256 timestamp) public view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPE, keccak256("Holdfast reserves"), keccak256("1"), block.chainid, safe)
        );
        return
            keccak256(abi.encodePacked(hex"1901", domain, keccak256(abi.encode(STATEMENT_TYPE, statement, timestamp))));
    }
}
