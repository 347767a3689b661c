import Checkpoints
import JSON

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
    case "compressed-tensors": return (.float8, try settings.compressedTensorsBlock())
    case "modelopt":
      try settings.requireModelOptFloat8()
      return (.float8, nil)
    case "mxfp4": return (.mxfp4Experts, nil)
    case QuantizationSettings.method:
      return (.martinet(try QuantizationSettings.read(settings)), try settings.blockSize("weight_block_size"))
    default: throw Self.unsupportedMethod(method)
    }
  }

  private static func unsupportedMethod(_ method: String) -> ModelError {
    .unsupported(
      key: "quantization_config.quant_method", value: method,
      remedy: "use the unquantised checkpoint, or one in fp8 (e4m3) or mxfp4; `martinet quantize` writes it in q8 or q4"
    )
  }

  /// `fmt`, in either of its spellings.
  private func requireE4M3() throws {
    let format = try optionalString("fmt") ?? "e4m3"
    guard ["e4m3", "float8_e4m3fn", "e4m3fn", "float8_e4m3"].contains(format) else {
      throw ModelError.unsupported(key: "quantization_config.fmt", value: format, remedy: "only e4m3 is")
    }
  }

  private func blockSize(_ key: ConfigKeys) throws -> Quantization.Block? {
    guard let block = try optionalInts(key, in: 1...(1 << 20), maxCount: 2) else { return nil }
    guard block.count == 2 else { throw error(key, .wrongKind(expected: "two sizes", found: "\(block)")) }
    return Quantization.Block(rows: block[0], columns: block[1])
  }

  /// compressed-tensors: every group of layers must hold FP8 weights; their inputs are not rounded here.
  private func compressedTensorsBlock() throws -> Quantization.Block? {
    let format = try optionalString("format") ?? "float-quantized"
    guard ["float-quantized", "naive-quantized", "dense"].contains(format) else {
      throw ModelError.unsupported(
        key: "quantization_config.format", value: format,
        remedy: "float-quantized (fp8) is; use such a checkpoint, or the unquantised one")
    }
    var block: Quantization.Block?
    guard let groups = try optionalNested("config_groups") else { return nil }
    for name in groups.object.keys {
      guard let weights = try groups.nested(ConfigKeys(name)).optionalNested("weights") else { continue }
      let kind = try weights.optionalString("type") ?? "float"
      let bits = try weights.optionalInt("num_bits", in: 1...64) ?? 8
      guard kind == "float", bits == 8 else {
        throw ModelError.unsupported(
          key: "quantization_config.config_groups.\(name).weights", value: "\(kind) of \(bits) bits",
          remedy: "float of 8 bits is; use such a checkpoint, or the unquantised one")
      }
      block = try weights.blockSize("block_structure") ?? block
    }
    return block
  }

  private func requireModelOptFloat8() throws {
    let algorithm = try optionalString("quant_algo") ?? "none given"
    guard ["FP8", "FP8_PER_CHANNEL_PER_TOKEN", "FP8_PB_WO"].contains(algorithm) else {
      throw ModelError.unsupported(
        key: "quantization_config.quant_algo", value: algorithm,
        remedy: "of ModelOpt's packings FP8 is; use such a checkpoint, or the unquantised one")
    }
  }
}
