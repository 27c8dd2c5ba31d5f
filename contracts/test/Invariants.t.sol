// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Actor} from "./support/Actor.sol";
import {vm} from "./support/Vm.sol";

/// @title What holds whatever the holder of all owners' keys does.
contract InvariantsTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    uint256 private constant ACTS_MIN = 100;

    Actor private actor;
    bytes32 private constitution;

    function setUp() external {
        actor = new Actor();
        actor.setUp();
        constitution = actor.constitution();
    }

    /// @dev forge asks what to call.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(actor);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(actor), new bytes4[](7));
        targets[0].selectors[0] = Actor.pay.selector;
        targets[0].selectors[1] = Actor.drain.selector;
        targets[0].selectors[2] = Actor.attack.selector;
        targets[0].selectors[3] = Actor.wait.selector;
        targets[0].selectors[4] = Actor.pauseIt.selector;
        targets[0].selectors[5] = Actor.unpauseIt.selector;
        targets[0].selectors[6] = Actor.evacuateIt.selector;
    }

    function invariant_NoMoreLeavesThanCapacityAndRefill() external view {
        for (uint256 i = 0; i < 3; i++) {
            address token = actor.tokens(i);
            vm.assertLe(actor.left(token), actor.allowed(token), "left beside allowed");
            vm.assertEq(actor.thiefHas(token), actor.left(token), "all of it by payments");
        }
    }

    function invariant_TheSafeStaysWhatItIs() external view {
        vm.assertEq(actor.constitution(), constitution, "owners, threshold, modules, guard, handler, singleton, registry");
    }

    function invariant_NoPromiseIsBroken() external view {
        vm.assertEq(bytes(actor.broken()), bytes(""), actor.broken());
    }

    /// @dev After each run: one in which nothing happened would prove nothing. forge also replays single acts that failed.
    function afterInvariant() external view {
        if (actor.acts() < ACTS_MIN) return;
        vm.assertTrue(actor.count("attacked") > 0, "nobody attacked");
        vm.assertTrue(actor.count("paid") + actor.count("drained") > 0, "nobody was paid");
    }
}
