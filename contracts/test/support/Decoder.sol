// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A second reading of a batch, in another way than the guard's: decode as Solidity does, encode again, compare.
contract Decoder {
    struct Payment {
        address token;
        address to;
        uint256 amount;
    }

    address private immutable guard;
    address[] private own;

    constructor(address guard_, address[] memory own_) {
        guard = guard_;
        own = own_;
    }

    /// @notice Reverts when the calldata is not exactly a deadline and payments.
    function read(bytes calldata data) external view returns (uint256 deadline, Payment[] memory payments) {
        require(bytes4(data[:4]) == bytes4(keccak256("multiSend(bytes)")), "selector");
        bytes memory legs = abi.decode(data[4:], (bytes));
        require(keccak256(abi.encodeWithSignature("multiSend(bytes)", legs)) == keccak256(data), "not canonical");
        return this.split(legs);
    }

    function split(bytes calldata legs) external view returns (uint256 deadline, Payment[] memory payments) {
        bytes4 notAfter = bytes4(keccak256("notAfter(uint256)"));
        bytes calldata first = legs[:121];
        deadline = abi.decode(first[89:], (uint256));
        bytes memory call_ = abi.encodeWithSelector(notAfter, deadline);
        require(keccak256(first) == keccak256(abi.encodePacked(uint8(0), guard, uint256(0), uint256(36), call_)));
        uint256 count = 0;
        payments = new Payment[](legs.length / 85);
        for (bytes calldata rest = legs[121:]; rest.length > 0; count++) {
            uint256 length = 85 + uint256(bytes32(rest[53:85]));
            payments[count] = paymentOf(rest[:length]);
            rest = rest[length:];
        }
        require(count > 0, "pays nothing");
        assembly ("memory-safe") {
            mstore(payments, count)
        }
    }

    function paymentOf(bytes calldata leg) private view returns (Payment memory payment) {
        address to = address(bytes20(leg[1:21]));
        uint256 value = uint256(bytes32(leg[21:53]));
        payment = Payment(address(0), to, value);
        bytes memory again = abi.encodePacked(uint8(0), to, value, uint256(0));
        if (leg.length > 85) {
            (address recipient, uint256 amount) = abi.decode(leg[89:], (address, uint256));
            payment = Payment(to, recipient, amount);
            bytes memory call_ = abi.encodeWithSignature("transfer(address,uint256)", recipient, amount);
            again = abi.encodePacked(uint8(0), to, uint256(0), call_.length, call_);
            require(to != address(0), "the Safe instead");
        }
        require(keccak256(again) == keccak256(leg), "leg is not canonical");
        require(payment.amount > 0 && payment.amount < 2 ** 128, "amount");
        require(payment.to != address(0), "nobody");
        for (uint256 i = 0; i < own.length; i++) require(payment.to != own[i], "own");
    }
}
