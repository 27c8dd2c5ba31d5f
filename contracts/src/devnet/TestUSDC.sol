// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title Devnet only: a token with the habits of Circle's (6 decimals, EIP-2612 permit, blacklist of both sides).
contract TestUSDC is ERC20, ERC20Permit, Ownable {
    mapping(address => bool) public isBlacklisted;

    constructor() ERC20("Test USD Coin", "USDC") ERC20Permit("Test USD Coin") Ownable(msg.sender) {}

    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function mint(address to, uint256 amount) external onlyOwner {
        _mint(to, amount);
    }

    function setBlacklisted(address account, bool barred) external onlyOwner {
        isBlacklisted[account] = barred;
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(!isBlacklisted[from] && !isBlacklisted[to], "account is blacklisted");
        super._update(from, to, amount);
    }
}
