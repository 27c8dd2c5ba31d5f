// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

/// @title What our contracts use of Safe 1.5.0.
interface ISafe {
    /// @dev Operation 0 is a call. False when the call reverted; it does not revert itself.
    function execTransactionFromModule(
        address to,
        uint256 value,
        bytes calldata data,
        uint8 operation
    ) external returns (bool success);

    function isModuleEnabled(address module) external view returns (bool);

    /// @return `length` words of storage from slot `offset` on.
    function getStorageAt(uint256 offset, uint256 length) external view returns (bytes memory);

    /// @dev Reverts unless at least the threshold of owners signed `dataHash`.
    function checkSignatures(address executor, bytes32 dataHash, bytes calldata signatures) external view;
}

/// @dev GUARD_STORAGE_SLOT of GuardManager.sol: the Safe has no getter for its guard.
uint256 constant GUARD_SLOT = uint256(keccak256("guard_manager.guard.address"));

/// @dev Zero when the Safe has none.
function guardOf(ISafe safe) view returns (address) {
    return abi.decode(safe.getStorageAt(GUARD_SLOT, 1), (address));
}

/// @title GuardManager.sol of Safe 1.5.0; interface id 0xe6d7a83a.
interface ITransactionGuard is IERC165 {
    function checkTransaction(
        address to,
        uint256 value,
        bytes calldata data,
        uint8 operation,
        uint256 safeTxGas,
        uint256 baseGas,
        uint256 gasPrice,
        address gasToken,
        address payable refundReceiver,
        bytes calldata signatures,
        address msgSender
    ) external;

    function checkAfterExecution(bytes32 hash, bool success) external;
}
