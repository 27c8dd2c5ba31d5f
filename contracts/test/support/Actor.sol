// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISafeFull} from "./ISafeFull.sol";
import {SafeTx, VaultTest} from "./VaultTest.sol";
import {vm} from "./Vm.sol";

/// @title A vault and whoever holds all of its owners' keys, doing one random thing after the other. Signers pause and
/// evacuate, governance unpauses. Everything that leaves by the owners' transactions is added up here.
contract Actor is VaultTest {
    /// @notice Native, usdt, usdc.
    address[3] public tokens;
    /// @notice What owners' transactions took out of the Safe, by token.
    mapping(address token => uint256) public left;
    /// @notice How often each thing happened, for a run that tests nothing to show.
    mapping(string act => uint256) public count;
    uint256 public acts;
    /// @notice The first promise that was broken.
    string public broken;
    uint256 private nonces;

    modifier counted() {
        acts++;
        _;
    }

    function setUp() public override {
        super.setUp();
        tokens = [address(0), address(usdt), address(usdc)];
    }

    function pay(uint256 seed, uint8 legs_, uint128 amount) external counted {
        bytes memory legs = "";
        for (uint256 i = 0; i <= legs_ % 4; i++) {
            seed = uint256(keccak256(abi.encode(seed)));
            address token = tokens[seed % 3];
            uint256 capacity = token == address(0) ? NATIVE_CAPACITY : TOKEN_CAPACITY;
            uint256 part = 1 + ((uint256(amount) ^ seed) % (seed % 5 == 0 ? capacity + 2 : capacity / 6));
            legs = bytes.concat(legs, token == address(0) ? pack(thief, part, "") : tokenLeg(token, thief, part));
        }
        if (_try(payment(legs))) count["paid"]++;
    }

    /// @dev As much as the bucket holds, or one more.
    function drain(uint8 which, uint8 more) external counted {
        address token = tokens[which % 3];
        uint256 amount = guard.available(token) + (more % 2);
        bool fits = !guard.paused() && more % 2 == 0 && amount != 0 && amount <= _balance(token, address(safe));
        bytes memory leg = token == address(0) ? pack(thief, amount, "") : tokenLeg(token, thief, amount);
        if (_try(payment(leg)) != fits) broken = "the bucket holds what it says";
        if (fits) count["drained"]++;
    }

    /// @dev Signed by the quorum, and none of it a payment.
    function attack(uint256 seed, address to, uint256 value, bytes calldata data) external counted {
        bytes[7] memory changes = [
            abi.encodeCall(ISafeFull.setGuard, (address(0))),
            abi.encodeCall(ISafeFull.enableModule, (thief)),
            abi.encodeCall(ISafeFull.setFallbackHandler, (thief)),
            abi.encodeCall(ISafeFull.addOwnerWithThreshold, (thief, 1)),
            abi.encodeCall(ISafeFull.changeThreshold, (1)),
            abi.encodeWithSignature("approve(address,uint256)", thief, value),
            data
        ];
        address[5] memory targets = [address(safe), address(usdc), address(guard), address(desk), to];
        bytes memory call_ = changes[seed % 7];
        address target = targets[(seed >> 8) % 5];
        uint256 shape = (seed >> 16) % 6;
        SafeTx memory tx_ = called(target, (seed >> 24) % 2 == 0 ? 0 : value % 2 ether, call_);
        if (shape == 1) tx_.operation = 1;
        if (shape == 2) tx_ = payment(pack(target, 0, call_.length == 0 ? bytes("x") : call_));
        if (shape == 3) tx_ = payment(bytes.concat(pack(thief, 1, ""), pack(address(0), 0, call_)));
        if (shape == 4) {
            tx_ = payment(pack(thief, 1, ""));
            (tx_.gasPrice, tx_.refundReceiver) = (1 + (value % 1e15), thief);
        }
        if (shape == 5) tx_ = delegated(multiSend, data);
        if (_try(tx_)) broken = "the guard lets payments through and nothing else";
        count["attacked"]++;
    }

    function wait(uint24 time) external counted {
        vm.warp(block.timestamp + (time % 12 hours));
    }

    function pauseIt() external counted {
        pauseVault(++nonces);
        count["paused"]++;
    }

    function unpauseIt() external counted {
        unpauseVault();
    }

    /// @dev Rarely, since it leaves nothing to steal until new deposits come.
    function evacuateIt(uint8 chance) external counted {
        if (chance % 8 != 0) return;
        uint256[3] memory before = _balances(thief);
        evacuateVault(bothTokens(), ++nonces);
        for (uint256 i = 0; i < 3; i++) {
            if (_balance(tokens[i], thief) != before[i]) broken = "an evacuation pays the cold address";
            if (_balance(tokens[i], address(safe)) != 0) broken = "an evacuation leaves nothing";
        }
        count["evacuated"]++;
        vm.deal(address(safe), 1_000_000 ether);
        usdt.mint(address(safe), 1e15);
        usdc.mint(address(safe), 1e15);
    }

    // What the invariants look at.

    /// @notice Capacity, and refill since the start.
    function allowed(address token) external view returns (uint256) {
        uint256 elapsed = block.timestamp - START;
        if (token == address(0)) return NATIVE_CAPACITY + NATIVE_REFILL * elapsed;
        return TOKEN_CAPACITY + TOKEN_REFILL * elapsed;
    }

    function thiefHas(address token) external view returns (uint256) {
        return _balance(token, thief);
    }

    /// @notice All that makes the Safe what it is, as one hash.
    function constitution() external view returns (bytes32) {
        (address[] memory modules, ) = safe.getModulesPaginated(address(1), 9);
        bytes32 guard_ = vm.load(address(safe), GUARD_SLOT);
        bytes32 handler_ = vm.load(address(safe), HANDLER_SLOT);
        bytes32 moduleGuard = vm.load(address(safe), MODULE_GUARD_SLOT);
        bytes32 singleton = vm.load(address(safe), 0);
        bytes memory owners = abi.encode(safe.getOwners(), safe.getThreshold(), modules);
        return keccak256(abi.encode(owners, guard_, handler_, moduleGuard, singleton, registry.vault(), registry.owner()));
    }

    function _try(SafeTx memory tx_) private returns (bool ok) {
        bool paused = guard.paused();
        uint256[3] memory before = _balances(address(safe));
        (ok, ) = execute(tx_);
        uint256[3] memory after_ = _balances(address(safe));
        for (uint256 i = 0; i < 3; i++) {
            left[tokens[i]] += before[i] - after_[i];
            if (paused && before[i] != after_[i]) broken = "a paused vault pays nobody";
        }
    }

    function _balances(address account) private view returns (uint256[3] memory balances) {
        for (uint256 i = 0; i < 3; i++) balances[i] = _balance(tokens[i], account);
    }

    function _balance(address token, address account) private view returns (uint256) {
        if (token == address(0)) return account.balance;
        return token == address(usdt) ? usdt.balanceOf(account) : usdc.balanceOf(account);
    }
}
