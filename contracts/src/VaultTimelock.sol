// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {EmergencyDesk} from "./EmergencyDesk.sol";
import {ISafe} from "./Safe.sol";

/// @title Cold governance of the vault: what it wants waits, and any emergency key can veto it meanwhile.
/// @notice A module of the hot Safe, owner of the registry, governor of guard and desk.
/// @dev Threats: contracts/THREATS.md. It creates the desk and makes it a canceller in its constructor: no account ever has
/// an admin role to hand that over with. The cold Safe proposes (and may cancel what it proposed), anyone executes what has
/// matured, roles change by a matured operation of its own only.
contract VaultTimelock is TimelockController {
    /// @notice Seconds after which an operation that has matured and was not executed is void.
    uint256 public constant GRACE = 14 days;

    bytes4 private constant MODULE_CALL_RETURNING_DATA =
        bytes4(keccak256("execTransactionFromModuleReturnData(address,uint256,bytes,uint8)"));

    EmergencyDesk public immutable desk;

    error DelayIsZero();
    error GovernanceRefused(address governance);
    error ModuleCallFailed(address target);
    error RenouncingRefused();

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

    /// @inheritdoc TimelockController
    /// @dev An operation past its grace is as if it had never been: it cannot be executed and can be scheduled anew, with the
    /// whole delay. A wish that nobody remembers must not lie ready for whoever finds a moment for it.
    function getOperationState(bytes32 id) public view override returns (OperationState) {
        OperationState state = super.getOperationState(id);
        // A ready operation's time has passed, so that the sum cannot overflow.
        if (state == OperationState.Ready && block.timestamp > getTimestamp(id) + GRACE) return OperationState.Unset;
        return state;
    }

    /// @dev Without a proposer nothing could ever be changed again.
    function renounceRole(bytes32, address) public pure override {
        revert RenouncingRefused();
    }

    /// @dev A Safe does not revert when a module's call fails, it answers false. Such an operation would count as done: by a
    /// mistake, or by whoever executes it with too little gas, and the rest of its batch would go on without it.
    function _execute(address target, uint256 value, bytes calldata data) internal override {
        (bool success, bytes memory result) = target.call{value: value}(data);
        Address.verifyCallResult(success, result);
        if (data.length < 4) return;
        bytes4 selector = bytes4(data);
        if (selector != ISafe.execTransactionFromModule.selector && selector != MODULE_CALL_RETURNING_DATA) return;
        // The first word of either's answer; an address without code answers nothing, which reads as zero.
        if (uint256(bytes32(result)) != 1) revert ModuleCallFailed(target);
    }

    function _only(address account) private pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = account;
    }
}
