// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Devnet only: fakes arrivals of many tokens that are none.
contract TokenSpammer {
    /// @notice Makes `tokens` contracts that each log `logs` transfers to `to`.
    function spam(address to, uint256 tokens, uint256 logs) external {
        for (uint256 i = 0; i < tokens; i++) new FakeToken(to, logs);
    }
}

contract FakeToken {
    event Transfer(address indexed from, address indexed to, uint256 value);

    constructor(address to, uint256 logs) {
        for (uint256 i = 0; i < logs; i++) emit Transfer(address(0), to, type(uint256).max);
    }
}
