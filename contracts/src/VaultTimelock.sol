// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {EmergencyDesk} from "./EmergencyDesk.sol";
import {ISafe} from "./Safe.sol";

/// @title Cold governance of the vault: what it wants waits, and any emergency key can veto it meanwhile.
/// @notice A module of the hot Safe, owner of the registry, governor of guard and desk.
/// @dev Threats: contracts/THREATS.md. It creates the desk and makes it a canceller in its constructor: no account ever has
/// an admin role to hand that over with. The cold Safe proposes (and may cancel what it proposed), anyone executes what has
/// matured, roles change by a matured operation of its own only.
contract VaultTimelock is TimelockController {
    EmergencyDesk public immutable desk;

    error DelayIsZero();
    error GovernanceRefused(address governance);

    /// @param minDelay seconds.
    /// @param governance the cold Safe; not the address that evacuations go to, and with other keys.
    /// @param keys one emergency key a signer.
    constructor(
        uint256 minDelay,
        address governance,
        ISafe safe,
        address coldAddress,
        address[] memory keys
    ) TimelockController(minDelay, _only(governance), _only(address(0)), address(0)) {
        if (minDelay == 0) revert DelayIsZero();
        // The zero address as proposer would let anyone propose.
        if (governance == address(0) || governance == coldAddress || governance == address(safe)) {
            revert GovernanceRefused(governance);
        }
        desk = new EmergencyDesk(safe, this, coldAddress, keys);
        _grantRole(CANCELLER_ROLE, address(desk));
    }

    /// @inheritdoc TimelockController
    function updateDelay(uint256 newDelay) public override {
        if (newDelay == 0) revert DelayIsZero();
        super.updateDelay(newDelay);
    }

    function _only(address account) private pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = account;
    }
}
