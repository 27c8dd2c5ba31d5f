// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Devnet only: a recipient that burns all the gas that it is given.
contract GasBurner {
    receive() external payable {
        assembly {
            invalid()
        }
    }
}
