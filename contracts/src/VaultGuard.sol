// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ISafe, ITransactionGuard, guardOf} from "./Safe.sol";

interface IEmergencyDesk {
    function safe() external view returns (address);
}

interface IVaultTimelock {
    function desk() external view returns (IEmergencyDesk);

    function getMinDelay() external view returns (uint256);
}

/// @title What the owners of the vault's Safe can do, and nothing else: pay, in batches, within limits, in time.
/// @notice The transaction guard of the hot Safe. It lets one shape of transaction through: a DELEGATECALL to the pinned
/// MultiSendCallOnly whose first leg names a deadline and whose other legs are plain payments of registered tokens. Each
/// token's payments are charged to a leaky bucket.
/// @dev Threats: contracts/THREATS.md. Stateless apart from the buckets, the pause and the horizon; who the parties are is
/// fixed for ever, so another guard is a new contract and a time-locked setGuard. Modules of the Safe are not asked here.
contract VaultGuard is ITransactionGuard {
    /// @notice A token's limit as governance sets it: at most `capacity` at once, `refillPerSecond` from then on. Base units.
    struct TokenLimit {
        /// @dev Zero for the native coin.
        address token;
        uint128 capacity;
        uint128 refillPerSecond;
    }

    /// @dev The first slot is only read when a payment is charged, the second is written.
    struct Bucket {
        uint128 capacity;
        uint128 refillPerSecond;
        /// @dev What was paid and has not leaked away at `levelAt`.
        uint128 level;
        uint64 levelAt;
    }

    /// @notice The furthest that governance may let deadlines lie ahead.
    uint64 public constant HORIZON_MAX = 30 days;

    uint256 private constant DELEGATECALL = 1;
    /// @dev multiSend(bytes).
    bytes4 private constant MULTI_SEND = 0x8d80ff0a;
    /// @dev Selector, offset of the bytes, their length.
    uint256 private constant BATCH_HEAD = 4 + 32 + 32;
    /// @dev Operation (1), to (20), value (32), data length (32).
    uint256 private constant LEG_HEAD = 1 + 20 + 32 + 32;
    uint256 private constant NOT_AFTER_LENGTH = 4 + 32;
    uint256 private constant TRANSFER_LENGTH = 4 + 32 + 32;
    /// @dev transfer(address,uint256) and the twelve zero bytes before its address.
    uint256 private constant TRANSFER_HEAD = uint256(uint32(IERC20.transfer.selector)) << 96;

    address public immutable safe;
    /// @notice MultiSendCallOnly 1.5.0.
    address public immutable multiSend;
    /// @notice The time lock of cold governance.
    address public immutable governor;
    /// @notice The EmergencyDesk.
    address public immutable desk;

    bool public paused;
    /// @notice How often it was paused, also while it was paused already.
    uint64 public pauses;
    /// @notice When it was last paused, seconds.
    uint64 public pausedAt;
    /// @notice Seconds that a deadline may lie ahead.
    uint64 public horizon = 1 days;
    mapping(address token => Bucket) private _buckets;

    event LimitChanged(address indexed token, uint128 capacity, uint128 refillPerSecond);
    event HorizonChanged(uint64 horizon);
    event Paused();
    event Unpaused();

    error PartyMissing();
    error NotTheSafe(address caller);
    error NotTheGovernor(address caller);
    error NotTheDesk(address caller);
    error TokenRefused(address token);
    error HorizonRefused(uint64 horizon);
    error LimitsRefused(address currentGuard);
    error NotTheLastPause(uint64 named, uint64 last);
    error UnpausedTooSoon(uint256 earliest);
    error VaultIsPaused();
    error RefundRefused(uint256 safeTxGas, uint256 baseGas, uint256 gasPrice, address gasToken, address refundReceiver);
    error NotABatch(address to, uint256 value, uint8 operation);
    error BatchMalformed(uint256 length);
    error DeadlineMissing();
    error DeadlinePassed(uint256 deadline, uint256 time);
    error DeadlineTooFar(uint256 deadline, uint256 latest);
    error NothingPaid();
    error LegRefused(uint256 leg, address to, uint256 value, uint256 dataLength);
    error LegCutShort(uint256 leg);
    error RecipientRefused(uint256 leg, address recipient);
    error AmountRefused(uint256 leg, uint256 amount);
    error TokenNotRegistered(address token);
    error LimitExceeded(address token, uint256 amount, uint256 available);

    modifier onlyGovernor() {
        if (msg.sender != governor) revert NotTheGovernor(msg.sender);
        _;
    }

    /// @param timelock knows its desk, and the desk its Safe: three addresses that could be mistaken for others less.
    /// @param limits in force from the start, so that the first ones need not wait for the time lock: whoever sets this
    /// guard reads them from the chain before. None when the Safe has a guard already: its buckets and these would pay twice.
    /// Governance then registers the tokens in the same operation that sets the guard.
    constructor(address timelock, address multiSend_, TokenLimit[] memory limits) {
        if (timelock.code.length == 0 || multiSend_.code.length == 0) revert PartyMissing();
        multiSend = multiSend_;
        governor = timelock;
        IEmergencyDesk desk_ = IVaultTimelock(timelock).desk();
        desk = address(desk_);
        safe = desk_.safe();
        address current = guardOf(ISafe(safe));
        if (limits.length != 0 && current != address(0)) revert LimitsRefused(current);
        for (uint256 i = 0; i < limits.length; i++) _setLimit(limits[i]);
    }

    /// @notice Registers a token, changes its limit, or strikes it out with a capacity of zero. A token that was never
    /// registered here can be paid as its bucket leaks, from nothing on: another guard may have paid it up to now.
    function setLimit(TokenLimit calldata limit) external onlyGovernor {
        bool isNew = _buckets[limit.token].levelAt == 0;
        _setLimit(limit);
        if (isNew) _buckets[limit.token].level = limit.capacity;
    }

    function setHorizon(uint64 next) external onlyGovernor {
        if (next == 0 || next > HORIZON_MAX) revert HorizonRefused(next);
        horizon = next;
        emit HorizonChanged(next);
    }

    /// @notice Lets nothing through until governance, after its delay, says so. Pausing twice is no error, and counts twice.
    function pause() external {
        if (msg.sender != desk) revert NotTheDesk(msg.sender);
        paused = true;
        pauses++;
        pausedAt = uint64(block.timestamp);
        emit Paused();
    }

    /// @param named the count of pauses that governance knows of: whoever paused after it was scheduled did not mean to be
    /// overruled by it.
    /// @dev The count can be foreseen. So the delay also runs from the last pause: what was scheduled before it can be vetoed
    /// for as long as what is scheduled after it.
    function unpause(uint64 named) external onlyGovernor {
        if (named != pauses) revert NotTheLastPause(named, pauses);
        uint256 earliest = pausedAt + IVaultTimelock(governor).getMinDelay();
        if (block.timestamp < earliest) revert UnpausedTooSoon(earliest);
        paused = false;
        emit Unpaused();
    }

    /// @notice Reverts when `deadline` (seconds) has passed: the first leg of every batch.
    /// @dev It is a leg because a Safe transaction has no field for a deadline, and everything that owners sign is in the
    /// legs. MultiSendCallOnly then really calls it; so it is cheap, and it holds the deadline even where no guard is set.
    function notAfter(uint256 deadline) external view {
        _checkNotPassed(deadline);
    }

    /// @notice Called by the Safe before each transaction of its owners; reverts unless it may go ahead, and charges it.
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
        bytes calldata,
        address
    ) external {
        // Anyone else could fill the buckets.
        if (msg.sender != safe) revert NotTheSafe(msg.sender);
        if (paused) revert VaultIsPaused();
        // A refund pays whoever it names. With safeTxGas a failed batch would count as executed, charged and not paid.
        if (safeTxGas | baseGas | gasPrice | uint160(gasToken) | uint160(address(refundReceiver)) != 0) {
            revert RefundRefused(safeTxGas, baseGas, gasPrice, gasToken, refundReceiver);
        }
        if (operation != DELEGATECALL || to != multiSend || value != 0) revert NotABatch(to, value, operation);
        _chargeBatch(data);
    }

    /// @dev Nothing to do: without safeTxGas and gasPrice a transaction that fails reverts, with what it was charged.
    function checkAfterExecution(bytes32, bool) external {}

    /// @notice What may be paid of `token` now, base units.
    function available(address token) external view returns (uint256) {
        Bucket storage bucket = _buckets[token];
        return _room(bucket.capacity, _levelNow(bucket));
    }

    function limitOf(address token) external view returns (uint128 capacity, uint128 refillPerSecond) {
        Bucket storage bucket = _buckets[token];
        return (bucket.capacity, bucket.refillPerSecond);
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == type(ITransactionGuard).interfaceId || id == type(IERC165).interfaceId;
    }

    function _setLimit(TokenLimit memory limit) private {
        address token = limit.token;
        if (_isOwn(token) || (token != address(0) && token.code.length == 0)) revert TokenRefused(token);
        Bucket storage bucket = _buckets[token];
        // What was paid leaks at the old rate up to now.
        bucket.level = uint128(_levelNow(bucket));
        bucket.levelAt = uint64(block.timestamp);
        bucket.capacity = limit.capacity;
        bucket.refillPerSecond = limit.refillPerSecond;
        emit LimitChanged(token, limit.capacity, limit.refillPerSecond);
    }

    /// @dev Checks every byte of multiSend(bytes): what MultiSendCallOnly would read in another way is refused.
    function _chargeBatch(bytes calldata data) private {
        (uint256 place, uint256 end) = _legsOf(data);
        place = _checkDeadline(place, end);
        // Legs of one token that follow each other are charged as one sum; the same token again later is charged again.
        address token = address(0);
        uint256 sum = 0;
        for (uint256 leg = 1; place < end; ) {
            (address paid, uint256 amount, uint256 next) = _payment(leg, place, end);
            if (paid != token) {
                if (sum != 0) _charge(token, sum);
                token = paid;
                sum = 0;
            }
            // An amount is below 2^128, and a batch has fewer than 2^64 legs.
            unchecked {
                sum += amount;
                leg++;
            }
            place = next;
        }
        if (sum == 0) revert NothingPaid();
        _charge(token, sum);
    }

    /// @dev Positions in the calldata of the first byte of the legs and of the byte after the last.
    function _legsOf(bytes calldata data) private pure returns (uint256 place, uint256 end) {
        if (data.length < BATCH_HEAD || bytes4(data) != MULTI_SEND) revert BatchMalformed(data.length);
        uint256 start;
        assembly ("memory-safe") {
            start := data.offset
        }
        unchecked {
            uint256 length = _word(start + 36);
            uint256 room = data.length - BATCH_HEAD;
            // The upper bound comes first, so that rounding up cannot overflow.
            if (_word(start + 4) != 32 || length > room || room != ((length + 31) / 32) * 32) {
                revert BatchMalformed(data.length);
            }
            place = start + BATCH_HEAD;
            end = place + length;
            uint256 padding = room - length;
            if (padding != 0 && _word(end) >> (256 - 8 * padding) != 0) revert BatchMalformed(data.length);
        }
    }

    /// @dev The first leg: call, to this contract, without value, notAfter(deadline). Returns where the next leg begins.
    function _checkDeadline(uint256 place, uint256 end) private view returns (uint256 next) {
        unchecked {
            next = place + LEG_HEAD + NOT_AFTER_LENGTH;
            if (
                next > end ||
                _word(place) >> 88 != uint160(address(this)) ||
                _word(place + 21) != 0 ||
                _word(place + 53) != NOT_AFTER_LENGTH ||
                bytes4(bytes32(_word(place + LEG_HEAD))) != this.notAfter.selector
            ) revert DeadlineMissing();
            uint256 deadline = _word(place + LEG_HEAD + 4);
            _checkNotPassed(deadline);
            uint256 latest = block.timestamp + horizon;
            if (deadline > latest) revert DeadlineTooFar(deadline, latest);
        }
    }

    /// @dev One leg, which is a native payment or an ERC-20 transfer. `token` is zero for the native coin.
    function _payment(
        uint256 leg,
        uint256 place,
        uint256 end
    ) private view returns (address token, uint256 amount, uint256 next) {
        unchecked {
            if (end - place < LEG_HEAD) revert LegCutShort(leg);
            uint256 head = _word(place);
            address to = address(uint160(head >> 88));
            uint256 value = _word(place + 21);
            uint256 dataLength = _word(place + 53);
            // MultiSendCallOnly would call the Safe in place of the zero address.
            if (head >> 248 != 0 || to == address(0)) revert LegRefused(leg, to, value, dataLength);
            next = place + LEG_HEAD;
            address recipient = to;
            if (dataLength == 0) {
                amount = value;
            } else {
                if (dataLength != TRANSFER_LENGTH || value != 0) revert LegRefused(leg, to, value, dataLength);
                if (end - next < TRANSFER_LENGTH) revert LegCutShort(leg);
                if (_word(next) >> 128 != TRANSFER_HEAD) revert LegRefused(leg, to, value, dataLength);
                recipient = address(uint160(_word(next + 4)));
                amount = _word(next + 36);
                next += TRANSFER_LENGTH;
                token = to;
            }
            if (recipient == address(0) || _isOwn(recipient)) revert RecipientRefused(leg, recipient);
            if (amount == 0 || amount > type(uint128).max) revert AmountRefused(leg, amount);
        }
    }

    function _charge(address token, uint256 amount) private {
        Bucket storage bucket = _buckets[token];
        uint256 capacity = bucket.capacity;
        if (capacity == 0) revert TokenNotRegistered(token);
        uint256 level = _levelNow(bucket);
        uint256 room = _room(capacity, level);
        if (amount > room) revert LimitExceeded(token, amount, room);
        bucket.level = uint128(level + amount);
        bucket.levelAt = uint64(block.timestamp);
    }

    /// @dev At most the stored level; a rate below 2^128 over less than 2^64 seconds cannot overflow.
    function _levelNow(Bucket storage bucket) private view returns (uint256) {
        uint256 leaked = (block.timestamp - bucket.levelAt) * bucket.refillPerSecond;
        uint256 level = bucket.level;
        return level > leaked ? level - leaked : 0;
    }

    /// @dev A capacity that was lowered can lie below the level.
    function _room(uint256 capacity, uint256 level) private pure returns (uint256) {
        return capacity > level ? capacity - level : 0;
    }

    function _checkNotPassed(uint256 deadline) private view {
        if (block.timestamp > deadline) revert DeadlinePassed(deadline, block.timestamp);
    }

    /// @dev The contracts of the vault: nothing is paid to them and none of them is a token.
    function _isOwn(address account) private view returns (bool) {
        return
            account == safe ||
            account == address(this) ||
            account == desk ||
            account == governor ||
            account == multiSend;
    }

    /// @dev A word of the whole calldata. Whoever calls has checked that what it uses of the word lies inside the batch.
    function _word(uint256 place) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(place)
        }
    }
}
