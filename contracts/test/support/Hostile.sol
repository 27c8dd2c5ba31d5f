// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A token that does what a test tells it to, when the Safe's balance is moved.
contract HostileToken {
    enum Mode {
        Revert,
        BurnGas,
        ReturnBomb,
        ReturnFalse,
        BalanceReverts,
        BalanceGrows,
        KeepsHalf,
        Calls,
        TellsGas
    }

    Mode private immutable mode;
    mapping(address => uint256) private balances;
    address private target;
    bytes private call_;
    /// @notice Gas that was left when it was asked to move something.
    uint256 public gasSeen;

    constructor(Mode mode_, address holder) {
        mode = mode_;
        balances[holder] = 100;
    }

    function prepare(address target_, bytes calldata data) external {
        target = target_;
        call_ = data;
    }

    function balanceOf(address account) external view returns (uint256) {
        require(mode != Mode.BalanceReverts, "no balance");
        return balances[account];
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        if (mode == Mode.TellsGas) gasSeen = gasleft();
        if (mode == Mode.Revert) revert("frozen");
        if (mode == Mode.BurnGas) {
            while (true) {}
        }
        if (mode == Mode.ReturnBomb) {
            assembly ("memory-safe") {
                revert(0, 100000)
            }
        }
        if (mode == Mode.ReturnFalse) return false;
        if (mode == Mode.BalanceGrows) {
            balances[msg.sender] += 1;
            return true;
        }
        if (mode == Mode.Calls) {
            // Called by the Safe, it calls whom it likes; what comes of it does not matter to it.
            (bool ok, ) = target.call(call_);
            balances[to] += ok ? 1 : 0;
        }
        balances[msg.sender] -= mode == Mode.KeepsHalf ? amount / 2 : amount;
        balances[to] += amount / 2;
        return true;
    }
}

/// @title A recipient of a payment that, when paid, submits another transaction of the Safe.
contract ReentrantRecipient {
    address private immutable safe;
    bytes public call_;
    bool public went;

    constructor(address safe_) {
        safe = safe_;
    }

    function prepare(bytes calldata data) external {
        call_ = data;
    }

    receive() external payable {
        (went, ) = safe.call(call_);
    }
}

/// @title What a thief would have the Safe delegate to: it writes the slot of the guard.
contract GuardEraser {
    function erase() external {
        bytes32 slot = keccak256("guard_manager.guard.address");
        assembly ("memory-safe") {
            sstore(slot, 0)
        }
    }
}

/// @title Work that takes as much gas as a test wants, and says when all of it is done.
contract GasEater {
    mapping(uint256 work => mapping(uint256 piece => bool)) private pieces;
    mapping(uint256 work => bool) public done;

    function eat(uint256 work) external {
        for (uint256 i = 0; i < work; i++) pieces[work][i] = true;
        done[work] = true;
    }
}

/// @title An owner of the Safe that is a contract and agrees to everything, ERC-1271.
contract AgreeingOwner {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return this.isValidSignature.selector;
    }
}
