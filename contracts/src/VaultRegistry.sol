// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

/// @title Where every deposit forwarder sends what it holds.
/// @notice Owned by cold governance from the constructor on (its time lock, or the cold Safe itself where there is none): no
/// hot key, relayer or server can redirect deposits, and a new vault changes no deposit address.
/// @dev Threats. A stolen hot quorum: cannot call setVault. A stolen cold quorum: can redirect later sweeps after the delay
/// and unless a signer vetoes. A mistyped owner: ownership moves in two steps. Renouncing would freeze the destination for
/// ever, so it is refused.
contract VaultRegistry is Ownable2Step {
    /// @notice Receives every sweep.
    address public vault;

    event VaultChanged(address indexed previous, address indexed current);

    error VaultIsZero();
    error RenouncingRefused();

    constructor(address coldSafe, address firstVault) Ownable(coldSafe) {
        _setVault(firstVault);
    }

    function setVault(address next) external onlyOwner {
        _setVault(next);
    }

    function renounceOwnership() public pure override {
        revert RenouncingRefused();
    }

    function _setVault(address next) private {
        if (next == address(0)) revert VaultIsZero();
        emit VaultChanged(vault, next);
        vault = next;
    }
}
