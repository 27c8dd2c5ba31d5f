// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Forwarder, IVaultRegistry} from "./Forwarder.sol";

/// @title Deploys and flushes deposit forwarders.
/// @dev Threats. Anybody may deploy and flush: both only ever help coins towards the vault. One forwarder that cannot be
/// flushed (its address is on a token's blacklist) must not hold up the batch, so its failure is an event. The catch would
/// let a gas estimator, or whoever relays, find a gas limit at which every item fails for want of gas and the
/// transaction still succeeds; hence the floor before each item. A hostile token would burn what the others need; hence the
/// bound on each flush.
contract ForwarderFactory {
    IVaultRegistry public immutable registry;

    /// @notice keccak256 of the forwarder's init code, EIP-1014.
    bytes32 public immutable forwarderInitCodeHash;

    /// @notice Gas that one flush may take.
    uint256 public constant ITEM_GAS = 250_000;
    /// @notice Gas that an item must find: deploying a forwarder (about 190,000) and ITEM_GAS with the 64th that EIP-150 keeps
    /// back, with reserve.
    uint256 public constant ITEM_GAS_MIN = 480_000;

    event ForwarderDeployed(bytes32 indexed salt, address forwarder);
    event FlushFailed(bytes32 indexed salt, address indexed token);

    error LengthsDiffer();
    error GasTooLow();

    constructor(IVaultRegistry registry_) {
        registry = registry_;
        forwarderInitCodeHash = keccak256(type(Forwarder).creationCode);
    }

    /// @notice Flushes token i (the native coin when zero) of the forwarder with salt i, deploying it when missing.
    function flush(bytes32[] calldata salts, address[] calldata tokens) external {
        if (salts.length != tokens.length) revert LengthsDiffer();
        for (uint256 i = 0; i < salts.length; i++) {
            if (gasleft() < ITEM_GAS_MIN) revert GasTooLow();
            Forwarder forwarder = _deployed(salts[i]);
            // Without a catch parameter the revert data is not copied: a hostile token cannot burn the batch's gas with it.
            try forwarder.flush{gas: ITEM_GAS}(tokens[i]) {} catch {
                emit FlushFailed(salts[i], tokens[i]);
            }
        }
    }

    /// @notice Address of the forwarder with this salt, deployed or not, EIP-1014.
    function addressOf(bytes32 salt) public view returns (address payable) {
        bytes32 digest = keccak256(abi.encodePacked(bytes1(0xff), address(this), salt, forwarderInitCodeHash));
        return payable(address(uint160(uint256(digest))));
    }

    function _deployed(bytes32 salt) private returns (Forwarder) {
        address payable place = addressOf(salt);
        if (place.code.length == 0) {
            new Forwarder{salt: salt}();
            emit ForwarderDeployed(salt, place);
        }
        return Forwarder(place);
    }
}
