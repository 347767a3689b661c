import Checkpoints
import JSON

extension Quantization {
  /// Whether matrices are stored as FP8 or FP4 whose scales panels hold, so that they meet fp32 rows.
  var isOfFloats: Bool { self == .float8 || self == .mxfp4Experts }
}

extension ConfigReader {
  /// What `quantization_config` says of how the large matrices are stored; which block a scale is for follows from the
  /// tensors.
  func quantization() throws -> (kind: Quantization, block: Quantization.Block?) {
    guard let settings = try optionalNested("quantization_config"), settings.object.count > 0 else {
      return (.none, nil)
    }
    if !settings.has("quant_method"), settings.has("group_size"), settings.has("bits") {
      throw ModelError.unsupported(
        key: "quantization_config", value: "group_size and bits without quant_method",
        remedy: "MLX packs weights so, which is not read; use the unquantised checkpoint")
    }
    let method = try settings.string("quant_method")
    switch method {
    case "fp8", "fbgemm_fp8":
      try settings.requireE4M3()
      return (.float8, try settings.blockSize("weight_block_size"))
    case "compressed-tensors": return try settings.compressedTensors()
    case "modelopt", "modelopt_fp4": return (try settings.modelOpt(), nil)
    case "gptq": return (.integers(try settings.gptq()), nil)
    case "awq":
      try settings.requireAWQ()
      return (.integers(.awq), nil)
    case "mxfp4": return (.mxfp4Experts, nil)
    case QuantizationSettings.method:
      return (.martinet(try QuantizationSettings.read(settings)), try settings.blockSize("weight_block_size"))
    default: throw Self.unsupportedMethod(method)
    }
  }

  private static func unsupportedMethod(_ method: String) -> ModelError {
    .unsupported(
      key: "quantization_config.quant_method", value: method,
      remedy:
        """
        use the unquantised checkpoint, or one by fp8, mxfp4, compressed-tensors, gptq, awq or modelopt; `martinet \
        quantize` writes it in q8 or q4
        """
    )
  }

  /// `fmt`, in either of its spellings.
  private func requireE4M3() throws {
    let format = try optionalString("fmt") ?? "e4m3"
    guard ["e4m3", "float8_e4m3fn", "e4m3fn", "float8_e4m3"].contains(format) else {
      throw ModelError.unsupported(key: "quantization_config.fmt", value: format, remedy: "only e4m3 is")
    }
  }

  func blockSize(_ key: ConfigKeys) throws -> Quantization.Block? {
    guard let block = try optionalInts(key, in: 1...(1 << 20), maxCount: 2) else { return nil }
    guard block.count == 2 else { throw error(key, .wrongKind(expected: "two sizes", found: "\(block)")) }
    return Quantization.Block(rows: block[0], columns: block[1])
  }
}
