// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Devnet only: pays from a contract, so that the recipient sees a call inside a transaction and no transaction.
contract Splitter {
    /// @notice Pays equal parts with all gas; any refusal reverts everything.
    function split(address payable[] calldata recipients) external payable {
        uint256 part = msg.value / recipients.length;
        for (uint256 i = 0; i < recipients.length; i++) {
            (bool ok, ) = recipients[i].call{value: part}("");
            require(ok, "recipient refused");
        }
    }

    /// @notice Pays with the bare 2,300-gas stipend, as `transfer` and `send` of older contracts do.
    function payWithStipend(address payable recipient) external payable {
        (bool ok, ) = recipient.call{value: msg.value, gas: 0}("");
        require(ok, "recipient refused");
    }

    /// @notice Pays inside a call that reverts and swallows it: the trace shows a payment that did not happen.
    function payAndRevert(address payable recipient) external payable {
        try this.payThenFail{value: msg.value}(recipient) {} catch {}
    }

    function payThenFail(address payable recipient) external payable {
        (bool ok, ) = recipient.call{value: msg.value}("");
        require(!ok, "undone");
    }

    /// @notice Pays by a contract that destroys itself: no call of the recipient runs.
    function payBySelfDestruct(address payable recipient) external payable {
        new Bomb{value: msg.value}(recipient);
    }
}

contract Bomb {
    constructor(address payable recipient) payable {
        selfdestruct(recipient);
    }
}
