// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITransactionGuard} from "../../src/Safe.sol";

/// @title src/VaultGuard.sol as others see it. Its source needs the compiler's IR pipeline, which would make every test slow
/// to compile; the tests run the committed artifact.
interface IVaultGuard is ITransactionGuard {
    struct TokenLimit {
        address token;
        uint128 capacity;
        uint128 refillPerSecond;
    }

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

    function setLimit(TokenLimit calldata limit) external;

    function setHorizon(uint64 next) external;

    function pause() external;

    function unpause(uint64 named) external;

    function notAfter(uint256 deadline) external view;

    function paused() external view returns (bool);

    function pauses() external view returns (uint64);

    function pausedAt() external view returns (uint64);

    function horizon() external view returns (uint64);

    function available(address token) external view returns (uint256);

    function limitOf(address token) external view returns (uint128 capacity, uint128 refillPerSecond);
}
