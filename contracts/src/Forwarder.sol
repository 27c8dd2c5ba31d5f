// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

interface IVaultRegistry {
    function vault() external view returns (address);
}

interface IForwarderFactory {
    function registry() external view returns (IVaultRegistry);
}

/// @title A customer's deposit address.
/// @notice Holds coins until anyone flushes them to the vault that the registry names; there is no other way out.
/// @dev Threats. Anybody may call flush: it only ever pays the vault. A hostile token passed to flush can call back, and
/// then also only reaches flush. No constructor argument, so the init code and with it the CREATE2 address is the same
/// function of (factory, salt) for every vault. Full code and no proxy: a plain transfer brings 2,300 gas, which a
/// delegating clone exceeds; before deployment an address without code takes any transfer, so after it both
/// receive and fallback take any, with data or without, and run nothing.
contract Forwarder {
    using SafeERC20 for IERC20;

    IVaultRegistry public immutable registry;

    error VaultRefused();

    constructor() {
        registry = IForwarderFactory(msg.sender).registry();
    }

    receive() external payable {}

    fallback() external payable {}

    /// @notice Sends the whole balance of `token` (the native coin when zero) to the vault; nothing to send is no error.
    function flush(address token) external {
        address vault = registry.vault();
        if (token == address(0)) {
            uint256 balance = address(this).balance;
            if (balance == 0) return;
            (bool ok, ) = vault.call{value: balance}("");
            if (!ok) revert VaultRefused();
        } else {
            uint256 balance = IERC20(token).balanceOf(address(this));
            // SafeERC20: USDT returns nothing, and a token that returns false must fail.
            if (balance != 0) IERC20(token).safeTransfer(vault, balance);
        }
    }
}
