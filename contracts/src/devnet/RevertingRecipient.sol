// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Devnet only: refuses every payment.
contract RevertingRecipient {
    receive() external payable {
        revert("no, thank you");
    }
}
