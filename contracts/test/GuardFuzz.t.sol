// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Decoder} from "./support/Decoder.sol";
import {IVaultGuard} from "./support/IVaultGuard.sol";
import {VaultTest} from "./support/VaultTest.sol";
import {vm} from "./support/Vm.sol";

/// @title The guard beside a second decoder and a second definition of the bucket, on random input.
contract GuardFuzzTest is VaultTest {
    uint256 private constant STEPS = 12;

    Decoder private decoder;
    address[] private tokens;
    uint256 private random;

    function setUp() public override {
        super.setUp();
        address[] memory own = new address[](5);
        (own[0], own[1], own[2], own[3], own[4]) = (
            address(safe),
            address(guard),
            address(desk),
            address(timelock),
            multiSend
        );
        decoder = new Decoder(address(guard), own);
        tokens = [address(0), address(usdt), address(usdc), address(0x70CE9)];
    }

    /// @dev Canonical batches and ones with a leg, a byte or the length changed: the guard takes exactly those that the
    /// decoder takes and that the buckets and the clock allow, and charges exactly what they pay.
    function testFuzzTakesWhatTheDecoderTakes(uint256 seed, uint8 changes) external {
        random = seed;
        bytes memory legs = deadlineLeg(_next(20) == 0 ? _word() : START + _next(1 days));
        for (uint256 count = 1 + _next(5); count > 0; count--) legs = bytes.concat(legs, _leg());
        bytes memory data = abi.encodeWithSignature("multiSend(bytes)", legs);
        for (uint256 count = changes % 3; count > 0; count--) data = _changed(data);
        _compare(data);
    }

    /// @dev The real Safe and the real MultiSendCallOnly on the same batches: what leaves is what was charged, to the unit, and
    /// a batch that the second decoder and the buckets allow is really paid.
    function testFuzzWhatLeavesIsWhatWasCharged(uint256 seed, uint8 changes) external {
        random = seed;
        bytes memory legs = deadlineLeg(START + _next(1 days));
        for (uint256 count = 1 + _next(5); count > 0; count--) legs = bytes.concat(legs, _leg());
        bytes memory data = abi.encodeWithSignature("multiSend(bytes)", legs);
        for (uint256 count = changes % 3; count > 0; count--) data = _changed(data);
        uint256[4] memory rooms = _rooms();
        uint256[3] memory held = _held();
        (bool fits, uint256[4] memory sums) = _read(data, rooms);
        (bool ok, ) = execute(delegated(multiSend, data));
        vm.assertTrue(ok == fits, fits ? "refuses what is canonical" : "pays what is not");
        uint256[4] memory roomsAfter = _rooms();
        uint256[3] memory heldAfter = _held();
        for (uint256 token = 0; token < 3; token++) {
            vm.assertEq(held[token] - heldAfter[token], rooms[token] - roomsAfter[token], "left beside charged");
            vm.assertEq(held[token] - heldAfter[token], fits ? sums[token] : 0, "left beside decoded");
        }
    }

    function testFuzzRefusesNoise(bytes calldata noise) external {
        _compare(noise);
        vm.assertTrue(!_check(noise), "noise");
        vm.assertTrue(!_check(abi.encodeWithSignature("multiSend(bytes)", noise)), "noise as legs");
        bytes memory legs = bytes.concat(deadlineLeg(START), noise);
        _compare(abi.encodeWithSignature("multiSend(bytes)", legs));
    }

    /// @dev A leaky bucket lets a payment through exactly when in no window, from an earlier payment to now, more leaves than
    /// capacity and refill over the window. Written down that way, over all windows.
    function testFuzzBucketIsTheWindowRule(
        uint128 capacity,
        uint128 refill,
        uint32[STEPS] calldata waits,
        uint128[STEPS] calldata wishes
    ) external {
        random = uint256(keccak256(abi.encode(capacity, refill)));
        // Half the time a refill that matters beside the capacity.
        if (_next(2) == 0) refill = uint128(refill % (uint256(capacity) / 1e6 + 2));
        vm.prank(address(timelock));
        guard.setLimit(IVaultGuard.TokenLimit(address(usdt), capacity, refill));
        uint256[STEPS] memory times;
        uint256[STEPS] memory paid;
        uint256 time = START;
        for (uint256 step = 0; step < STEPS; step++) {
            time += _next(2) == 0 ? waits[step] : waits[step] % 100;
            vm.warp(time);
            times[step] = time;
            uint256 amount = 1 + (wishes[step] % (uint256(capacity) + (_next(2) == 0 ? 2 : 1e9)));
            if (_next(3) == 0) amount = guard.available(address(usdt)) + _next(2);
            bool fits = amount != 0 && amount <= type(uint128).max && capacity != 0;
            uint256 sum = amount;
            for (uint256 from = step + 1; from > 0; from--) {
                sum += paid[from - 1];
                if (sum > capacity + refill * (time - times[from - 1])) fits = false;
            }
            bytes memory legs = bytes.concat(deadlineLeg(time), tokenLeg(address(usdt), customer, amount));
            bool taken = _check(abi.encodeWithSignature("multiSend(bytes)", legs));
            vm.assertTrue(taken == fits, taken ? "more than a window allows" : "less than every window allows");
            if (taken) paid[step] = amount;
        }
    }

    /// @dev Bounds of every field at once: no input makes the arithmetic overflow.
    function testFuzzNothingOverflows(uint128 capacity, uint128 refill, uint64 time, uint128 amount) external {
        vm.prank(address(timelock));
        guard.setLimit(IVaultGuard.TokenLimit(address(usdt), capacity, refill));
        uint256 later = START + (time % (type(uint64).max - START));
        for (uint256 round = 0; round < 2; round++) {
            vm.assertLe(guard.available(address(usdt)), capacity, "available");
            bytes memory leg = tokenLeg(address(usdt), customer, amount);
            bytes memory legs = bytes.concat(deadlineLeg(block.timestamp), leg, leg, pack(customer, 1, ""), leg);
            bool fits = amount != 0 && 3 * uint256(amount) <= guard.available(address(usdt));
            vm.assertTrue(_check(abi.encodeWithSignature("multiSend(bytes)", legs)) == fits, "taken");
            vm.warp(later);
        }
    }

    function _compare(bytes memory data) private {
        uint256[4] memory before = _rooms();
        (bool fits, uint256[4] memory sums) = _read(data, before);
        vm.assertTrue(_check(data) == fits, fits ? "refuses what is canonical" : "takes what is not");
        uint256[4] memory after_ = _rooms();
        for (uint256 token = 0; token < 4; token++) {
            vm.assertEq(before[token] - after_[token], fits ? sums[token] : 0, "charged");
        }
    }

    /// @dev Sums by token as the decoder reads them, and whether clock and buckets allow them.
    function _read(bytes memory data, uint256[4] memory rooms) private view returns (bool fits, uint256[4] memory sums) {
        try decoder.read(data) returns (uint256 deadline, Decoder.Payment[] memory payments) {
            fits = deadline >= START && deadline <= START + 1 days;
            for (uint256 i = 0; i < payments.length; i++) {
                uint256 token = 0;
                while (token < 3 && tokens[token] != payments[i].token) token++;
                sums[token] += payments[i].amount;
            }
            for (uint256 token = 0; token < 4; token++) {
                if (sums[token] > rooms[token]) fits = false;
            }
        } catch {}
    }

    function _held() private view returns (uint256[3] memory held) {
        held = [address(safe).balance, usdt.balanceOf(address(safe)), usdc.balanceOf(address(safe))];
    }

    function _check(bytes memory data) private returns (bool taken) {
        bytes memory call_ = abi.encodePacked(
            guard.checkTransaction.selector,
            abi.encode(multiSend, uint256(0), uint256(352), uint256(1), uint256(0), uint256(0)),
            abi.encode(uint256(0), address(0), address(0), 352 + 32 + ((data.length + 31) / 32) * 32, address(0)),
            data.length,
            data,
            new bytes((32 - (data.length % 32)) % 32),
            uint256(0)
        );
        vm.prank(address(safe));
        (taken, ) = address(guard).call(call_);
    }

    function _rooms() private view returns (uint256[4] memory rooms) {
        for (uint256 token = 0; token < 4; token++) rooms[token] = guard.available(tokens[token]);
    }

    /// @dev Mostly a payment that a full bucket covers, sometimes one of each thing that is wrong.
    function _leg() private returns (bytes memory) {
        uint256 kind = _next(24);
        address to = address(uint160(_word()));
        uint256 amount = 1 + _next(TOKEN_CAPACITY / 4);
        if (kind == 0) to = [address(safe), address(guard), address(desk), address(timelock), multiSend][_next(5)];
        if (kind == 1) amount = _next(2) == 0 ? 0 : _word();
        if (kind == 2) to = address(0);
        if (kind == 3) return pack(to, amount, hex"00");
        if (kind == 4) return pack(address(usdt), amount, abi.encodeWithSelector(0xa9059cbb, to, amount));
        if (kind == 5) return pack(address(usdt), 0, abi.encodeWithSelector(0x095ea7b3, to, amount));
        if (kind == 6) return abi.encodePacked(uint8(1), usdt, uint256(0), uint256(68), hex"a9059cbb", to, amount);
        if (kind == 7) return tokenLeg(_next(2) == 0 ? address(0) : tokens[3], to, amount);
        address token = tokens[_next(3)];
        return token == address(0) ? pack(to, amount, "") : tokenLeg(token, to, amount);
    }

    function _changed(bytes memory data) private returns (bytes memory) {
        uint256 kind = _next(8);
        if (kind == 0) return bytes.concat(data, new bytes(1 + _next(40)));
        if (kind == 1) {
            uint256 length = _next(data.length);
            assembly ("memory-safe") {
                mstore(data, length)
            }
            return data;
        }
        if (data.length > 0) data[_next(data.length)] = bytes1(uint8(_next(3) == 0 ? _word() : 0));
        return data;
    }

    function _next(uint256 below) private returns (uint256) {
        return _word() % below;
    }

    function _word() private returns (uint256) {
        random = uint256(keccak256(abi.encode(random)));
        return random;
    }
}
