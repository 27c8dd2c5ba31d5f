// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISafe} from "../../src/Safe.sol";

/// @title What the tests use of Safe 1.5.0.
interface ISafeFull is ISafe {
    function setup(
        address[] calldata owners,
        uint256 threshold,
        address to,
        bytes calldata data,
        address fallbackHandler,
        address paymentToken,
        uint256 payment,
        address payable paymentReceiver
    ) external;

    function nonce() external view returns (uint256);

    function domainSeparator() external view returns (bytes32);

    function getOwners() external view returns (address[] memory);

    function getThreshold() external view returns (uint256);

    function getModulesPaginated(address start, uint256 size) external view returns (address[] memory, address);

    function approveHash(bytes32 hash) external;

    function setGuard(address guard) external;

    function setModuleGuard(address guard) external;

    function enableModule(address module) external;

    function disableModule(address previous, address module) external;

    function setFallbackHandler(address handler) external;

    function swapOwner(address previous, address oldOwner, address newOwner) external;

    function addOwnerWithThreshold(address owner, uint256 threshold) external;

    function changeThreshold(uint256 threshold) external;
}
