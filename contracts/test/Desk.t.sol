// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EmergencyDesk} from "../src/EmergencyDesk.sol";
import {IVaultGuard} from "./support/IVaultGuard.sol";
import {ISafeFull} from "./support/ISafeFull.sol";
import {VaultTest} from "./support/VaultTest.sol";
import {vm} from "./support/Vm.sol";

/// @title The authorisations of the desk: who, once, until when, for this desk on this chain. Pausing and vetoing.
contract DeskTest is VaultTest {
    uint256 private constant DEADLINE = START + 1 hours;

    function testAnySingleKeyPausesAndAnyoneRelays() external {
        for (uint256 i = 0; i < 3; i++) {
            vm.prank(thief);
            _pause(signature(emergencyKeys[i], pauseHash(1, DEADLINE)), 1);
            vm.assertTrue(guard.paused(), "paused");
            unpauseVault();
            vm.warp(START);
        }
        // Twice is no error: the second signer must not think that it failed.
        for (uint256 i = 0; i < 2; i++) _pause(signature(emergencyKeys[i], pauseHash(2, DEADLINE)), 2);
        vm.assertEq(guard.pauses(), 5, "each counts");
    }

    /// @dev Signed before governance replaced the guard, relayed after it.
    function testPausesTheGuardThatIsInUse() external {
        bytes memory early = signature(emergencyKeys[0], pauseHash(1, START + 30 days));
        IVaultGuard old = guard;
        replaceGuard();
        vm.expectEmit(address(desk));
        emit EmergencyDesk.PauseAuthorised(vm.addr(emergencyKeys[0]), address(guard));
        desk.pause(1, START + 30 days, early);
        vm.assertTrue(guard.paused() && !old.paused(), "the new one");
        governSafe(abi.encodeCall(ISafeFull.setGuard, (address(0))));
        early = signature(emergencyKeys[0], pauseHash(2, START + 30 days));
        vm.expectRevert(abi.encodeWithSelector(EmergencyDesk.NoGuard.selector));
        desk.pause(2, START + 30 days, early);
        vm.assertTrue(!desk.spent(vm.addr(emergencyKeys[0]), 2), "not used up");
    }

    function testRefusesAnAuthorisationThatWasUsed() external {
        bytes memory first = signature(emergencyKeys[0], pauseHash(1, DEADLINE));
        _pause(first, 1);
        unpauseVault();
        vm.warp(START);
        bytes memory reason = abi.encodeWithSelector(
            EmergencyDesk.NonceSpent.selector,
            vm.addr(emergencyKeys[0]),
            1
        );
        vm.expectRevert(reason);
        _pause(first, 1);
        // A retry of the same nonce with a later deadline, that was still on its way.
        bytes memory retry = signature(emergencyKeys[0], pauseHash(1, DEADLINE + 5));
        vm.expectRevert(reason);
        desk.pause(1, DEADLINE + 5, retry);
        vm.assertTrue(!guard.paused(), "not again");
        // Another key's nonces are its own.
        _pause(signature(emergencyKeys[1], pauseHash(1, DEADLINE)), 1);
    }

    function testRefusesAnExpiredAuthorisation() external {
        bytes memory late = signature(emergencyKeys[0], pauseHash(1, DEADLINE));
        vm.warp(DEADLINE + 1);
        vm.expectRevert(abi.encodeWithSelector(EmergencyDesk.AuthorisationExpired.selector, DEADLINE, DEADLINE + 1));
        _pause(late, 1);
        vm.warp(DEADLINE);
        _pause(late, 1);
    }

    function testRefusesEverySignatureOfAnother() external {
        bytes32 digest = pauseHash(1, DEADLINE);
        _refused(signature(ownerKeys[0], digest));
        _refused(signature(emergencyKeys[0], pauseHash(2, DEADLINE)));
        _refused(signature(emergencyKeys[0], pauseHash(1, DEADLINE + 1)));
        vm.chainId(1);
        bytes memory otherChain = signature(emergencyKeys[0], pauseHash(1, DEADLINE));
        vm.chainId(31337);
        _refused(otherChain);
        bytes32 kind = keccak256("Pause(uint256 nonce,uint256 deadline)");
        bytes32 content = keccak256(abi.encode(kind, 1, DEADLINE));
        bytes32 otherDesk = domainOf("Holdfast emergency desk", thief);
        _refused(signature(emergencyKeys[0], typedHash(otherDesk, content)));
        _refused(signature(emergencyKeys[0], evacuateHash(bothTokens(), 1, DEADLINE)));
    }

    /// @dev After a fork both chains have this desk; an authorisation is for one of them.
    function testAnAuthorisationIsForOneSideOfAFork() external {
        bytes memory before = signature(emergencyKeys[0], pauseHash(1, DEADLINE));
        vm.chainId(7);
        _refused(before);
        _pause(signature(emergencyKeys[0], pauseHash(1, DEADLINE)), 1);
        vm.assertTrue(guard.paused(), "by one that was signed for this side");
    }

    function testRefusesMalleableSignatures() external {
        bytes32 digest = pauseHash(1, DEADLINE);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(emergencyKeys[0], digest);
        bytes32 high = bytes32(CURVE_ORDER - uint256(s));
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, high));
        _pause(abi.encodePacked(r, high, uint8(55 - v)), 1);
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureLength.selector, 64));
        _pause(abi.encodePacked(r, uint256(s) | (uint256(v - 27) << 255)), 1);
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureLength.selector, 66));
        _pause(abi.encodePacked(r, s, v, uint8(0)), 1);
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignature.selector));
        _pause(abi.encodePacked(r, s, uint8(1)), 1);
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignature.selector));
        _pause(new bytes(65), 1);
        _pause(abi.encodePacked(r, s, v), 1);
    }

    function testFuzzRefusesAChangedSignature(uint256 place, bytes1 with) external {
        bytes memory good = signature(emergencyKeys[0], pauseHash(1, DEADLINE));
        place %= 65;
        if (good[place] == with) return;
        good[place] = with;
        vm.expectRevert();
        _pause(good, 1);
    }

    function testKeysChangeByTheTimelockOnly() external {
        address old = vm.addr(emergencyKeys[0]);
        bytes memory reason = abi.encodeWithSelector(EmergencyDesk.NotTheTimelock.selector, governance);
        vm.prank(governance);
        vm.expectRevert(reason);
        desk.addKey(thief);
        vm.prank(governance);
        vm.expectRevert(reason);
        desk.removeKey(old);
        bytes memory kept = signature(emergencyKeys[0], pauseHash(1, START + 30 days));
        govern(address(desk), abi.encodeCall(EmergencyDesk.addKey, (customer)));
        govern(address(desk), abi.encodeCall(EmergencyDesk.removeKey, (old)));
        vm.assertTrue(desk.isKey(customer) && !desk.isKey(old), "changed");
        vm.expectRevert(abi.encodeWithSelector(EmergencyDesk.NotAnEmergencyKey.selector, old));
        desk.pause(1, START + 30 days, kept);
    }

    function testRefusesKeysThatMakeNoSense() external {
        _keyRefused(abi.encodeCall(EmergencyDesk.addKey, (address(0))), address(0));
        address first = vm.addr(emergencyKeys[0]);
        _keyRefused(abi.encodeCall(EmergencyDesk.addKey, (first)), first);
        _keyRefused(abi.encodeCall(EmergencyDesk.removeKey, (thief)), thief);
        for (uint256 i = 0; i < 2; i++) {
            vm.prank(address(timelock));
            desk.removeKey(vm.addr(emergencyKeys[i]));
        }
        address last = vm.addr(emergencyKeys[2]);
        vm.prank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(EmergencyDesk.LastKey.selector, last));
        desk.removeKey(last);
        vm.assertEq(desk.keyCount(), 1, "one is left");
    }

    function testAnySingleKeyVetoes() external {
        bytes memory data = abi.encodeCall(EmergencyDesk.addKey, (thief));
        for (uint256 i = 0; i < 3; i++) {
            bytes32[] memory ids = new bytes32[](1);
            vm.prank(governance);
            timelock.schedule(address(desk), 0, data, 0, 0, DELAY);
            ids[0] = timelock.hashOperation(address(desk), 0, data, 0, 0);
            // Also when it has matured and nobody executed it yet.
            if (i == 2) vm.warp(START + DELAY);
            _veto(ids, i, emergencyKeys[i]);
            vm.assertTrue(!timelock.isOperation(ids[0]), "cancelled");
        }
        vm.warp(START + 3 * DELAY);
        vm.expectRevert();
        timelock.execute(address(desk), 0, data, 0, 0);
    }

    function testOneAuthorisationVetoesMany() external {
        bytes32[] memory ids = new bytes32[](5);
        for (uint256 i = 0; i < 5; i++) {
            ids[i] = timelock.hashOperation(address(desk), i, "", 0, 0);
            if (i == 3) continue;
            vm.prank(governance);
            timelock.schedule(address(desk), i, "", 0, 0, DELAY);
        }
        _veto(ids, 1, emergencyKeys[1]);
        for (uint256 i = 0; i < 5; i++) vm.assertTrue(!timelock.isOperation(ids[i]), "cancelled");
        uint256 deadline = block.timestamp + 1;
        bytes memory again = signature(emergencyKeys[1], vetoHash(ids, 2, deadline));
        vm.expectRevert(abi.encodeWithSelector(EmergencyDesk.NothingToVeto.selector));
        desk.veto(ids, 2, deadline, again);
        vm.assertTrue(!desk.spent(vm.addr(emergencyKeys[1]), 2), "an authorisation without effect is not used up");
    }

    function _veto(bytes32[] memory ids, uint256 nonce, uint256 key) private {
        uint256 deadline = block.timestamp + 1;
        desk.veto(ids, nonce, deadline, signature(key, vetoHash(ids, nonce, deadline)));
    }

    function _pause(bytes memory signature_, uint256 nonce) private {
        desk.pause(nonce, DEADLINE, signature_);
    }

    /// @dev A signature under something else recovers to some address, which is no key.
    function _refused(bytes memory signature_) private {
        try desk.pause(1, DEADLINE, signature_) {
            revert("the pause went through");
        } catch (bytes memory reason) {
            vm.assertEq(bytes32(bytes4(reason)), bytes32(EmergencyDesk.NotAnEmergencyKey.selector), "reason");
        }
    }

    function _keyRefused(bytes memory call_, address key) private {
        vm.prank(address(timelock));
        (bool ok, bytes memory reason) = address(desk).call(call_);
        vm.assertTrue(!ok, "refused");
        vm.assertEq(reason, abi.encodeWithSelector(EmergencyDesk.KeyRefused.selector, key), "reason");
    }
}
