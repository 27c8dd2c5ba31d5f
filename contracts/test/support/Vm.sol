// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The cheatcodes of forge that the tests use.
interface Vm {
    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }

    function lastCallGas() external view returns (Gas memory);

    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);

    function addr(uint256 key) external pure returns (address);

    function warp(uint256 time) external;

    function deal(address account, uint256 balance) external;

    function chainId(uint256 id) external;

    function prank(address sender) external;

    function expectRevert(bytes calldata data) external;

    function expectRevert() external;

    function expectEmit(address emitter) external;

    function load(address account, bytes32 slot) external view returns (bytes32);

    function store(address account, bytes32 slot, bytes32 value) external;

    function readFile(string calldata path) external view returns (string memory);

    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);

    function assertEq(uint256 left, uint256 right, string calldata what) external pure;

    function assertEq(address left, address right, string calldata what) external pure;

    function assertEq(bytes32 left, bytes32 right, string calldata what) external pure;

    function assertEq(bytes calldata left, bytes calldata right, string calldata what) external pure;

    function assertTrue(bool condition, string calldata what) external pure;

    function assertLe(uint256 left, uint256 right, string calldata what) external pure;

    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
