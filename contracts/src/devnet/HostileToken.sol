// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Devnet only: a listed token that turns hostile, one habit at a time.
contract HostileToken {
    enum Habit {
        Honest,
        /// Returns false with status 1, moves nothing and logs nothing.
        ReturnsFalse,
        /// Returns false, moves nothing and logs a transfer.
        ReturnsFalseWithEvent,
        /// Returns true, moves nothing and logs a transfer.
        Spoofs,
        /// Logs the whole amount and delivers nine tenths.
        HidesFee,
        /// Moves without a log.
        Silent,
        /// Calls out in the middle of a transfer.
        Reenters,
        Paused,
        /// From here on transfers are honest and balanceOf is not: it reverts, burns all its gas, answers half a megabyte, one
        /// byte, or more than all coins that there could be.
        BalanceReverts,
        BalanceBurns,
        BalanceBombs,
        BalanceShort,
        BalanceHuge
    }

    string public constant symbol = "HST";
    uint8 public constant decimals = 6;

    Habit public habit;
    /// @notice Balances are shares times this, in hundredths.
    uint256 public percent = 100;
    mapping(address => uint256) public shares;
    mapping(address => bool) public isBlacklisted;
    address public callee;
    bytes public callData;

    event Transfer(address indexed from, address indexed to, uint256 value);

    function setHabit(Habit habit_) external {
        habit = habit_;
    }

    /// @notice Rebases all balances.
    function setPercent(uint256 percent_) external {
        percent = percent_;
    }

    function setBlacklisted(address account, bool barred) external {
        isBlacklisted[account] = barred;
    }

    /// @notice What a reentrant transfer calls.
    function setCall(address callee_, bytes calldata callData_) external {
        callee = callee_;
        callData = callData_;
    }

    function balanceOf(address account) public view returns (uint256) {
        require(habit != Habit.BalanceReverts, "no balance");
        if (habit == Habit.BalanceHuge) return type(uint256).max;
        if (habit == Habit.BalanceBurns) while (true) {}
        if (habit == Habit.BalanceBombs)
            assembly {
                return(0, 500000)
            }
        if (habit == Habit.BalanceShort)
            assembly {
                return(0, 1)
            }
        return (shares[account] * percent) / 100;
    }

    function mint(address to, uint256 amount) external {
        shares[to] += amount;
        emit Transfer(address(0), to, amount);
    }

    /// @notice A transfer and a rebase in one transaction; a rebase to nothing fails after the log.
    function transferAndRebase(address to, uint256 amount, uint256 percent_) external {
        transfer(to, amount);
        require(percent_ != 0, "nothing left");
        percent = percent_;
    }

    /// @notice A log in anybody's name.
    function spoof(address from, address to, uint256 amount) external {
        emit Transfer(from, to, amount);
    }

    function transfer(address to, uint256 amount) public returns (bool) {
        require(habit != Habit.Paused, "paused");
        require(!isBlacklisted[msg.sender] && !isBlacklisted[to], "barred");
        if (habit == Habit.ReturnsFalse) return false;
        if (habit == Habit.ReturnsFalseWithEvent || habit == Habit.Spoofs) {
            emit Transfer(msg.sender, to, amount);
            return habit == Habit.Spoofs;
        }
        uint256 moved = (amount * 100) / percent;
        shares[msg.sender] -= moved;
        shares[to] += habit == Habit.HidesFee ? (moved * 9) / 10 : moved;
        if (habit == Habit.Reenters) {
            // One level: what is called comes back here.
            habit = Habit.Honest;
            (bool ok, ) = callee.call(callData);
            require(ok, "the call failed");
            habit = Habit.Reenters;
        }
        if (habit != Habit.Silent) emit Transfer(msg.sender, to, amount);
        return true;
    }
}
