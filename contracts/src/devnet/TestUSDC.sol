// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title Devnet only: a token with the habits of Circle's (6 decimals, EIP-2612 permit, EIP-3009 authorisations, both also
/// with a contract's signature by ERC-1271, blacklist of both sides).
contract TestUSDC is ERC20, ERC20Permit, Ownable {
    bytes32 private constant PERMIT_TYPE =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
    bytes32 private constant TRANSFER_TYPE =
        keccak256(
            "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
    bytes32 private constant RECEIVE_TYPE =
        keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );

    /// @dev What an authorisation says, EIP-3009.
    struct Authorisation {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    mapping(address => bool) public isBlacklisted;
    /// @notice Whether an authoriser's nonce was used, EIP-3009.
    mapping(address authorizer => mapping(bytes32 nonce => bool)) public authorizationState;

    constructor() ERC20("Test USD Coin", "USDC") ERC20Permit("Test USD Coin") Ownable(msg.sender) {}

    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function mint(address to, uint256 amount) external onlyOwner {
        _mint(to, amount);
    }

    function setBlacklisted(address account, bool barred) external onlyOwner {
        isBlacklisted[account] = barred;
    }

    /// @notice FiatTokenV2_2: a permit whose signature may be a contract's.
    function permit(address owner, address spender, uint256 value, uint256 deadline, bytes calldata signature) external {
        require(block.timestamp <= deadline, "permit is expired");
        bytes32 content = keccak256(abi.encode(PERMIT_TYPE, owner, spender, value, _useNonce(owner), deadline));
        _requireSignature(owner, content, signature);
        _approve(owner, spender, value);
    }

    /// @notice EIP-3009 as FiatTokenV2_2: anyone may submit it.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _transferAuthorised(TRANSFER_TYPE, Authorisation(from, to, value, validAfter, validBefore, nonce), signature);
    }

    /// @notice EIP-3009 as FiatTokenV2_2: only the recipient may submit it.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        require(to == msg.sender, "caller must be the payee");
        _transferAuthorised(RECEIVE_TYPE, Authorisation(from, to, value, validAfter, validBefore, nonce), signature);
    }

    function _transferAuthorised(bytes32 kind, Authorisation memory what, bytes calldata signature) private {
        require(block.timestamp > what.validAfter, "authorization is not yet valid");
        require(block.timestamp < what.validBefore, "authorization is expired");
        require(!authorizationState[what.from][what.nonce], "authorization is used");
        _requireSignature(what.from, keccak256(abi.encode(kind, what)), signature);
        authorizationState[what.from][what.nonce] = true;
        _transfer(what.from, what.to, what.value);
    }

    function _requireSignature(address signer, bytes32 content, bytes calldata signature) private view {
        require(
            SignatureChecker.isValidSignatureNow(signer, _hashTypedDataV4(content), signature),
            "invalid signature"
        );
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(!isBlacklisted[from] && !isBlacklisted[to], "account is blacklisted");
        super._update(from, to, amount);
    }
}
