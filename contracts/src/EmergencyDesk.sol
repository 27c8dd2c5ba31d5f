// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ISafe, guardOf} from "./Safe.sol";

interface IPausable {
    function pause() external;
}

/// @title What a single signer may do alone in an emergency: pause the vault, veto governance, send everything to cold.
/// @notice Each signer holds one emergency key, which never needs gas: it signs an authorisation (EIP-712) that anyone may
/// relay. A module of the hot Safe, and a canceller of the time lock.
/// @dev Threats: contracts/THREATS.md. All three acts only ever stop things or move coins to the one address that was fixed
/// at deployment, so a stolen emergency key can annoy and cannot steal. A nonce is chosen by the key's holder and may be
/// used in one authorisation only: to try again, sign the same nonce with a later deadline, and never can both be executed,
/// one of them after an unpause.
contract EmergencyDesk is EIP712 {
    /// @notice Gas that moving one token may take, the Safe's part included.
    uint256 public constant ITEM_GAS = 400_000;
    /// @notice Gas that must be left before each token, so that it gets ITEM_GAS (EIP-150 keeps back a 64th).
    uint256 public constant ITEM_GAS_MIN = 450_000;

    bytes32 private constant PAUSE_TYPE = keccak256("Pause(uint256 nonce,uint256 deadline)");
    bytes32 private constant VETO_TYPE = keccak256("Veto(bytes32[] operations,uint256 nonce,uint256 deadline)");
    bytes32 private constant EVACUATE_TYPE = keccak256("Evacuate(address[] tokens,uint256 nonce,uint256 deadline)");

    ISafe public immutable safe;
    TimelockController public immutable timelock;
    /// @notice Receives every evacuation. Its keys must be others than governance's.
    address public immutable coldAddress;

    mapping(address key => bool) public isKey;
    uint256 public keyCount;
    /// @notice Whether a key used a nonce.
    mapping(address key => mapping(uint256 nonce => bool)) public spent;

    event KeyAdded(address indexed key);
    event KeyRemoved(address indexed key);
    event PauseAuthorised(address indexed key, address indexed guard);
    event Vetoed(address indexed key, bytes32 indexed operation);
    event EvacuationAuthorised(address indexed key);
    /// @dev `token` is zero for the native coin.
    event Evacuated(address indexed token, uint256 amount);
    event EvacuationFailed(address indexed token);

    error ColdAddressRefused(address coldAddress);
    error KeyRefused(address key);
    error LastKey(address key);
    error NotTheTimelock(address caller);
    error NotTheDesk(address caller);
    error AuthorisationExpired(uint256 deadline, uint256 time);
    error NotAnEmergencyKey(address recovered);
    error NonceSpent(address key, uint256 nonce);
    error NoGuard();
    error NothingToVeto();
    error NotAModule();
    error GasTooLow(uint256 left, uint256 needed);
    error NothingEvacuated();
    error TransferFailed(address token);

    modifier onlyTimelock() {
        if (msg.sender != address(timelock)) revert NotTheTimelock(msg.sender);
        _;
    }

    constructor(
        ISafe safe_,
        TimelockController timelock_,
        address coldAddress_,
        address[] memory keys_
    ) EIP712("Holdfast emergency desk", "1") {
        if (coldAddress_ == address(0) || coldAddress_ == address(safe_) || coldAddress_ == address(timelock_)) {
            revert ColdAddressRefused(coldAddress_);
        }
        safe = safe_;
        timelock = timelock_;
        coldAddress = coldAddress_;
        if (keys_.length == 0) revert KeyRefused(address(0));
        for (uint256 i = 0; i < keys_.length; i++) _addKey(keys_[i]);
    }

    function addKey(address key) external onlyTimelock {
        _addKey(key);
    }

    /// @notice All that the key signed and nobody relayed yet is void. The last key stays: without one nobody could veto.
    function removeKey(address key) external onlyTimelock {
        if (!isKey[key]) revert KeyRefused(key);
        if (keyCount == 1) revert LastKey(key);
        isKey[key] = false;
        keyCount--;
        emit KeyRemoved(key);
    }

    /// @notice Pauses the guard that the Safe has now. None is named: one that governance replaces while the authorisation is
    /// on its way would be paused for nothing, and its successor would stay open.
    function pause(uint256 nonce, uint256 deadline, bytes calldata signature) external {
        address guard = guardOf(safe);
        if (guard == address(0)) revert NoGuard();
        bytes32 content = keccak256(abi.encode(PAUSE_TYPE, nonce, deadline));
        emit PauseAuthorised(_spend(content, nonce, deadline, signature), guard);
        IPausable(guard).pause();
    }

    /// @notice Cancels those of the operations that are pending; refused when none is.
    function veto(bytes32[] calldata operations, uint256 nonce, uint256 deadline, bytes calldata signature) external {
        bytes32 list = keccak256(abi.encodePacked(operations));
        address key = _spend(keccak256(abi.encode(VETO_TYPE, list, nonce, deadline)), nonce, deadline, signature);
        uint256 count = 0;
        for (uint256 i = 0; i < operations.length; i++) {
            // Another signer, or governance itself, may have been faster.
            if (!timelock.isOperationPending(operations[i])) continue;
            timelock.cancel(operations[i]);
            emit Vetoed(key, operations[i]);
            count++;
        }
        if (count == 0) revert NothingToVeto();
    }

    /// @notice Sends the Safe's whole native balance and its whole balance of each token to the cold address. A token that
    /// fails is an event and holds up nothing; refused when nothing moved. Works while the guard is paused.
    function evacuate(address[] calldata tokens, uint256 nonce, uint256 deadline, bytes calldata signature) external {
        bytes32 list = keccak256(abi.encodePacked(tokens));
        bytes32 content = keccak256(abi.encode(EVACUATE_TYPE, list, nonce, deadline));
        emit EvacuationAuthorised(_spend(content, nonce, deadline, signature));
        if (!safe.isModuleEnabled(address(this))) revert NotAModule();
        bool moved = _tryEvacuate(address(0));
        for (uint256 i = 0; i < tokens.length; i++) {
            if (_tryEvacuate(tokens[i])) moved = true;
        }
        // Reverting gives the nonce back: a relayer that picks a bad moment must not use the authorisation up.
        if (!moved) revert NothingEvacuated();
    }

    /// @notice Moves one balance; only the desk itself calls this, to be able to bound its gas and survive its failure.
    /// @return amount that left the Safe, by its balance: a token may return nothing, return false or keep a fee.
    function evacuateOne(address token) external returns (uint256 amount) {
        if (msg.sender != address(this)) revert NotTheDesk(msg.sender);
        uint256 before = _balance(token);
        if (before == 0) return 0;
        bool done = token == address(0)
            ? safe.execTransactionFromModule(coldAddress, before, "", 0)
            : safe.execTransactionFromModule(token, 0, abi.encodeCall(IERC20.transfer, (coldAddress, before)), 0);
        amount = before - _balance(token);
        if (!done || amount == 0) revert TransferFailed(token);
    }

    function _addKey(address key) private {
        if (key == address(0) || isKey[key]) revert KeyRefused(key);
        isKey[key] = true;
        keyCount++;
        emit KeyAdded(key);
    }

    /// @dev The key that signed `content`, whose nonce is spent from now on. ECDSA refuses high s and short forms; the chain
    /// and this contract are part of the EIP-712 domain, so that a signature for another recovers to nobody's address.
    function _spend(
        bytes32 content,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) private returns (address key) {
        if (block.timestamp > deadline) revert AuthorisationExpired(deadline, block.timestamp);
        key = ECDSA.recoverCalldata(_hashTypedDataV4(content), signature);
        if (!isKey[key]) revert NotAnEmergencyKey(key);
        if (spent[key][nonce]) revert NonceSpent(key, nonce);
        spent[key][nonce] = true;
    }

    function _tryEvacuate(address token) private returns (bool moved) {
        // Else a gas limit could be found at which items fail for want of gas and the transaction still succeeds.
        if (gasleft() < ITEM_GAS_MIN) revert GasTooLow(gasleft(), ITEM_GAS_MIN);
        // Without a catch parameter what a hostile token returns is not copied.
        try this.evacuateOne{gas: ITEM_GAS}(token) returns (uint256 amount) {
            if (amount == 0) return false;
            emit Evacuated(token, amount);
            return true;
        } catch {
            emit EvacuationFailed(token);
            return false;
        }
    }

    function _balance(address token) private view returns (uint256) {
        return token == address(0) ? address(safe).balance : IERC20(token).balanceOf(address(safe));
    }
}
