// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EmergencyDesk} from "../../src/EmergencyDesk.sol";
import {ForwarderFactory} from "../../src/ForwarderFactory.sol";
import {ReservesHandler} from "../../src/ReservesHandler.sol";
import {ISafe} from "../../src/Safe.sol";
import {VaultRegistry} from "../../src/VaultRegistry.sol";
import {VaultTimelock} from "../../src/VaultTimelock.sol";
import {TestUSDC} from "../../src/devnet/TestUSDC.sol";
import {TestUSDT} from "../../src/devnet/TestUSDT.sol";
import {IVaultGuard} from "./IVaultGuard.sol";
import {ISafeFull} from "./ISafeFull.sol";
import {vm} from "./Vm.sol";

/// @dev What owners sign, without the nonce.
struct SafeTx {
    address to;
    uint256 value;
    bytes data;
    uint8 operation;
    uint256 safeTxGas;
    uint256 baseGas;
    uint256 gasPrice;
    address gasToken;
    address refundReceiver;
}

/// @title A whole vault out of the committed artifacts and the canonical Safe: 2 of 3 owners, three emergency keys.
abstract contract VaultTest {
    uint256 internal constant START = 1_800_000_000;
    uint256 internal constant DELAY = 2 days;
    uint128 internal constant NATIVE_CAPACITY = 100 ether;
    uint128 internal constant NATIVE_REFILL = 0.001 ether;
    uint128 internal constant TOKEN_CAPACITY = 1_000_000e6;
    uint128 internal constant TOKEN_REFILL = 10e6;
    /// @dev Order of secp256k1.
    uint256 internal constant CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    bytes32 internal constant GUARD_SLOT = keccak256("guard_manager.guard.address");
    bytes32 internal constant HANDLER_SLOT = keccak256("fallback_manager.handler.address");
    bytes32 internal constant MODULE_GUARD_SLOT = keccak256("module_manager.module_guard.address");

    address internal immutable governance = address(0xC01D);
    address internal immutable cold = address(0xC01DADD7E55);
    address internal immutable thief = address(0xBAD);
    address internal immutable customer = address(0xC057);

    uint256 private salts;
    uint256[] internal ownerKeys;
    uint256[] internal emergencyKeys;
    ISafeFull internal safe;
    address internal multiSend;
    VaultTimelock internal timelock;
    EmergencyDesk internal desk;
    IVaultGuard internal guard;
    ReservesHandler internal handler;
    VaultRegistry internal registry;
    ForwarderFactory internal factory;
    TestUSDT internal usdt;
    TestUSDC internal usdc;

    /// @dev forge calls it before each test.
    function setUp() public virtual {
        vm.warp(START);
        safe = newSafe();
        multiSend = createSafeContract("libraries/MultiSendCallOnly.sol/MultiSendCallOnly.json");
        usdt = TestUSDT(create("TestUSDT", ""));
        usdc = TestUSDC(create("TestUSDC", ""));
        address[] memory keys = new address[](3);
        for (uint256 i = 0; i < 3; i++) {
            emergencyKeys.push(uint256(keccak256(abi.encode("emergency key", i))));
            keys[i] = vm.addr(emergencyKeys[i]);
        }
        timelock = VaultTimelock(payable(create("VaultTimelock", abi.encode(DELAY, governance, safe, cold, keys))));
        desk = timelock.desk();
        guard = newGuard();
        handler = ReservesHandler(create("ReservesHandler", abi.encode(safe)));
        registry = VaultRegistry(create("VaultRegistry", abi.encode(timelock, safe)));
        factory = ForwarderFactory(create("ForwarderFactory", abi.encode(registry)));
        vm.deal(address(safe), 1_000_000 ether);
        usdt.mint(address(safe), 1e15);
        usdc.mint(address(safe), 1e15);
        handOver();
    }

    function newSafe() private returns (ISafeFull created) {
        address[] memory owners = new address[](3);
        for (uint256 i = 0; i < 3; i++) {
            uint256 key = uint256(keccak256(abi.encode("owner", i)));
            // Signatures go in the order of the owners' addresses.
            uint256 place = i;
            ownerKeys.push(key);
            for (; place > 0 && vm.addr(ownerKeys[place - 1]) > vm.addr(key); place--) {
                ownerKeys[place] = ownerKeys[place - 1];
            }
            ownerKeys[place] = key;
        }
        for (uint256 i = 0; i < 3; i++) owners[i] = vm.addr(ownerKeys[i]);
        bytes memory proxyArgument = abi.encode(createSafeContract("Safe.sol/Safe.json"));
        created = ISafeFull(
            deploy(bytes.concat(safeCode("proxies/SafeProxy.sol/SafeProxy.json"), proxyArgument))
        );
        created.setup(owners, 2, address(0), "", address(0), address(0), 0, payable(address(0)));
    }

    function newGuard() internal returns (IVaultGuard) {
        return newGuard(usualLimits());
    }

    function newGuard(IVaultGuard.TokenLimit[] memory limits) internal returns (IVaultGuard) {
        return IVaultGuard(create("VaultGuard", abi.encode(timelock, multiSend, limits)));
    }

    function usualLimits() internal view returns (IVaultGuard.TokenLimit[] memory limits) {
        limits = new IVaultGuard.TokenLimit[](3);
        limits[0] = IVaultGuard.TokenLimit(address(0), NATIVE_CAPACITY, NATIVE_REFILL);
        limits[1] = IVaultGuard.TokenLimit(address(usdt), TOKEN_CAPACITY, TOKEN_REFILL);
        limits[2] = IVaultGuard.TokenLimit(address(usdc), TOKEN_CAPACITY, TOKEN_REFILL);
    }

    /// @dev The last transaction of the owners that may do such things.
    function handOver() private {
        bytes memory legs = bytes.concat(
            pack(address(safe), 0, abi.encodeCall(ISafeFull.enableModule, (address(timelock)))),
            pack(address(safe), 0, abi.encodeCall(ISafeFull.enableModule, (address(desk)))),
            pack(address(safe), 0, abi.encodeCall(ISafeFull.setFallbackHandler, (address(handler)))),
            pack(address(safe), 0, abi.encodeCall(ISafeFull.setGuard, (address(guard))))
        );
        mustExecute(batchOf(legs));
    }

    // Transactions of the owners.

    function pack(address to, uint256 value, bytes memory data) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(0), to, value, data.length, data);
    }

    function tokenLeg(address token, address to, uint256 amount) internal pure returns (bytes memory) {
        return pack(token, 0, abi.encodeWithSignature("transfer(address,uint256)", to, amount));
    }

    function deadlineLeg(uint256 deadline) internal view returns (bytes memory) {
        return pack(address(guard), 0, abi.encodeCall(IVaultGuard.notAfter, (deadline)));
    }

    function batchOf(bytes memory legs) internal view returns (SafeTx memory) {
        return delegated(multiSend, abi.encodeWithSignature("multiSend(bytes)", legs));
    }

    /// @dev Legs behind a deadline in an hour.
    function payment(bytes memory legs) internal view returns (SafeTx memory) {
        return batchOf(bytes.concat(deadlineLeg(block.timestamp + 1 hours), legs));
    }

    function called(address to, uint256 value, bytes memory data) internal pure returns (SafeTx memory) {
        return SafeTx(to, value, data, 0, 0, 0, 0, address(0), address(0));
    }

    function delegated(address to, bytes memory data) internal pure returns (SafeTx memory) {
        return SafeTx(to, 0, data, 1, 0, 0, 0, address(0), address(0));
    }

    /// @dev Calldata of execTransaction with the signatures of two owners at the Safe's present nonce.
    function signed(SafeTx memory tx_) internal view returns (bytes memory) {
        return signedWith(tx_, signatures2(hashOf(tx_)));
    }

    function signedWith(SafeTx memory tx_, bytes memory signatures) internal pure returns (bytes memory) {
        bytes memory head = abi.encode(tx_.to, tx_.value, uint256(320), tx_.operation, tx_.safeTxGas);
        bytes memory more = abi.encode(tx_.baseGas, tx_.gasPrice, tx_.gasToken, tx_.refundReceiver);
        uint256 words = (tx_.data.length + 31) / 32;
        bytes memory tail = abi.encodePacked(
            uint256(320 + 32 + words * 32),
            tx_.data.length,
            tx_.data,
            new bytes(words * 32 - tx_.data.length),
            signatures.length,
            signatures,
            new bytes((32 - (signatures.length % 32)) % 32)
        );
        bytes4 selector = bytes4(
            keccak256(
                "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"
            )
        );
        return bytes.concat(selector, head, more, tail);
    }

    function hashOf(SafeTx memory tx_) internal view returns (bytes32) {
        bytes32 kind = keccak256(
            "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)"
        );
        bytes memory head = abi.encode(kind, tx_.to, tx_.value, keccak256(tx_.data), tx_.operation, tx_.safeTxGas);
        bytes memory tail = abi.encode(tx_.baseGas, tx_.gasPrice, tx_.gasToken, tx_.refundReceiver, safe.nonce());
        return typedHash(safe.domainSeparator(), keccak256(bytes.concat(head, tail)));
    }

    function signatures2(bytes32 digest) internal view returns (bytes memory) {
        return bytes.concat(signature(ownerKeys[0], digest), signature(ownerKeys[1], digest));
    }

    function signature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function typedHash(bytes32 domain, bytes32 content) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, content));
    }

    function execute(SafeTx memory tx_) internal returns (bool ok, bytes memory result) {
        return address(safe).call(signed(tx_));
    }

    function mustExecute(SafeTx memory tx_) internal {
        (bool ok, bytes memory result) = execute(tx_);
        vm.assertTrue(ok, string(result));
    }

    /// @dev The guard must be what refuses: its own error, values included.
    function mustRefuse(SafeTx memory tx_, bytes memory reason) internal {
        (bool ok, bytes memory result) = execute(tx_);
        vm.assertTrue(!ok, "the transaction went through");
        vm.assertEq(result, reason, "refused for another reason");
    }

    // Governance and emergency keys.

    /// @dev Schedules by the cold Safe, waits, executes by anyone.
    function govern(address target, bytes memory data) internal {
        bytes32 salt = bytes32(++salts);
        vm.prank(governance);
        timelock.schedule(target, 0, data, 0, salt, DELAY);
        vm.warp(block.timestamp + DELAY);
        vm.prank(customer);
        timelock.execute(target, 0, data, 0, salt);
    }

    /// @dev Another guard in place of the Safe's, as THREATS.md says: registered and set in one operation.
    function replaceGuard() internal {
        guard = newGuard(new IVaultGuard.TokenLimit[](0));
        IVaultGuard.TokenLimit[] memory limits = usualLimits();
        address[] memory targets = new address[](limits.length + 1);
        bytes[] memory calls = new bytes[](limits.length + 1);
        for (uint256 i = 0; i < limits.length; i++) {
            (targets[i], calls[i]) = (address(guard), abi.encodeCall(IVaultGuard.setLimit, (limits[i])));
        }
        targets[limits.length] = address(safe);
        calls[limits.length] = byModule(abi.encodeCall(ISafeFull.setGuard, (address(guard))));
        uint256[] memory values = new uint256[](limits.length + 1);
        vm.prank(governance);
        timelock.scheduleBatch(targets, values, calls, 0, bytes32(++salts), DELAY);
        vm.warp(block.timestamp + DELAY);
        timelock.executeBatch(targets, values, calls, 0, bytes32(salts));
    }

    /// @dev The call by which a module has the Safe call itself.
    function byModule(bytes memory data) internal view returns (bytes memory) {
        return abi.encodeCall(ISafe.execTransactionFromModule, (address(safe), 0, data, 0));
    }

    /// @dev Something that the Safe itself does, by its module the time lock.
    function governSafe(bytes memory data) internal {
        govern(address(safe), byModule(data));
    }

    function deskDomain() internal view returns (bytes32) {
        return domainOf("Holdfast emergency desk", address(desk));
    }

    function domainOf(string memory name, address verifier) internal view returns (bytes32) {
        bytes32 kind = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        return keccak256(abi.encode(kind, keccak256(bytes(name)), keccak256("1"), block.chainid, verifier));
    }

    function pauseHash(uint256 nonce, uint256 deadline) internal view returns (bytes32) {
        bytes32 kind = keccak256("Pause(uint256 nonce,uint256 deadline)");
        return typedHash(deskDomain(), keccak256(abi.encode(kind, nonce, deadline)));
    }

    function vetoHash(bytes32[] memory ids, uint256 nonce, uint256 deadline) internal view returns (bytes32) {
        bytes32 kind = keccak256("Veto(bytes32[] operations,uint256 nonce,uint256 deadline)");
        bytes32 list = keccak256(abi.encodePacked(ids));
        return typedHash(deskDomain(), keccak256(abi.encode(kind, list, nonce, deadline)));
    }

    function evacuateHash(address[] memory tokens, uint256 nonce, uint256 deadline) internal view returns (bytes32) {
        bytes32 kind = keccak256("Evacuate(address[] tokens,uint256 nonce,uint256 deadline)");
        bytes32 list = keccak256(abi.encodePacked(tokens));
        return typedHash(deskDomain(), keccak256(abi.encode(kind, list, nonce, deadline)));
    }

    /// @dev By the first emergency key, relayed by nobody in particular; valid for an hour.
    function pauseVault(uint256 nonce) internal {
        uint256 deadline = block.timestamp + 1 hours;
        bytes memory signature_ = signature(emergencyKeys[0], pauseHash(nonce, deadline));
        desk.pause(nonce, deadline, signature_);
    }

    function unpauseVault() internal {
        govern(address(guard), abi.encodeCall(IVaultGuard.unpause, (guard.pauses())));
    }

    function evacuateVault(address[] memory tokens, uint256 nonce) internal {
        uint256 deadline = block.timestamp + 1 hours;
        bytes memory signature_ = signature(emergencyKeys[0], evacuateHash(tokens, nonce, deadline));
        desk.evacuate(tokens, nonce, deadline, signature_);
    }

    function bothTokens() internal view returns (address[] memory tokens) {
        tokens = new address[](2);
        tokens[0] = address(usdt);
        tokens[1] = address(usdc);
    }

    // Deployment.

    /// @dev One of contracts/artifacts.
    function create(string memory name, bytes memory arguments) internal returns (address) {
        string memory json = vm.readFile(string.concat("contracts/artifacts/", name, ".json"));
        return deploy(bytes.concat(vm.parseJsonBytes(json, ".bytecode"), arguments));
    }

    function createSafeContract(string memory path) internal returns (address) {
        return deploy(safeCode(path));
    }

    function safeCode(string memory path) internal view returns (bytes memory) {
        string memory folder = "node_modules/@safe-global/safe-smart-account/build/artifacts/contracts/";
        return vm.parseJsonBytes(vm.readFile(string.concat(folder, path)), ".bytecode");
    }

    /// @dev Reverts as the constructor does.
    function deploy(bytes memory code) internal returns (address created) {
        assembly ("memory-safe") {
            created := create(0, add(code, 32), mload(code))
            if iszero(created) {
                let free := mload(0x40)
                returndatacopy(free, 0, returndatasize())
                revert(free, returndatasize())
            }
        }
    }
}
