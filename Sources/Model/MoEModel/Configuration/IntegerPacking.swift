/// How integers of 4 or 8 bits lie in words of 32, by the program that packed them.
package enum IntegerPacking: Sendable, Equatable {
  /// compressed-tensors' `pack-quantized`: words along a row.
  case compressedTensors
  /// Words along a column; `zeroOffset` is added to the zeros stored.
  case gptq(zeroOffset: Int)
  /// A word for eight rows, in an order of its own.
  case awq
}
