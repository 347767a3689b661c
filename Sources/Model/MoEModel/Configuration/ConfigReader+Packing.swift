import Checkpoints
import JSON

/// What programs say of the weights they packed. Which matrices they left alone, how many columns share a scale, and
/// mostly how many bits there are, follows from the tensors.
extension ConfigReader {
  /// compressed-tensors: groups of layers, which may differ; inputs are not rounded here.
  func compressedTensors() throws -> (kind: Quantization, block: Quantization.Block?) {
    let formats = [
      "float-quantized", "naive-quantized", "dense", "pack-quantized", "nvfp4-pack-quantized", "mxfp4-pack-quantized",
      "mxfp8-quantized", "mixed-precision",
    ]
    let format = try optionalString("format") ?? "float-quantized"
    guard formats.contains(format) else {
      throw ModelError.unsupported(
        key: "quantization_config.format", value: format,
        remedy: "\(formats.joined(separator: ", ")) are; use such a checkpoint, or the unquantised one")
    }
    var kinds: [Quantization] = []
    var block: Quantization.Block?
    if let groups = try optionalNested("config_groups") {
      for name in groups.object.keys {
        guard let weights = try groups.nested(ConfigKeys(name)).optionalNested("weights") else { continue }
        kinds.append(try weights.compressedKind("quantization_config.config_groups.\(name).weights"))
        block = try weights.blockSize("block_structure") ?? block
      }
    }
    // Integers and NVFP4 decide what experts take rows as, so that they go before the others.
    func isFirst(_ kind: Quantization) -> Int {
      switch kind {
      case .integers: 0
      case .nvfp4: 1
      case .mxfp4Experts: 2
      case .none, .float8, .martinet: 3
      }
    }
    let byFormat: [String: Quantization] = [
      "pack-quantized": .integers(.compressedTensors), "nvfp4-pack-quantized": .nvfp4,
      "mxfp4-pack-quantized": .mxfp4Experts,
    ]
    return (kinds.min { isFirst($0) < isFirst($1) } ?? byFormat[format] ?? .float8, block)
  }

  /// Of one group's weights, which `name` names.
  private func compressedKind(_ name: String) throws -> Quantization {
    let kind = try optionalString("type") ?? "float"
    let bits = try optionalInt("num_bits", in: 1...64) ?? 8
    switch (kind, bits) {
    case ("float", 8): return .float8
    case ("float", 4): return try optionalInt("group_size", in: -1...(1 << 20)) == 32 ? .mxfp4Experts : .nvfp4
    case ("int", 4), ("int", 8):
      // Group by group in an order of the columns' own; "weight" and "static" leave them where they are.
      if let order = try optionalString("actorder"), order == "group" || order == "dynamic" {
        throw ModelError.unsupported(
          key: "\(name).actorder", value: order, remedy: "use a checkpoint without it, or the unquantised one")
      }
      return .integers(.compressedTensors)
    default:
      throw ModelError.unsupported(
        key: name, value: "\(kind) of \(bits) bits",
        remedy: "float of 8 or 4 bits and int of 8 or 4 are; use such a checkpoint, or the unquantised one")
    }
  }

  func modelOpt() throws -> Quantization {
    let algorithm = try optionalString("quant_algo") ?? "none given"
    switch algorithm {
    case "FP8", "FP8_PER_CHANNEL_PER_TOKEN", "FP8_PB_WO": return .float8
    case "NVFP4": return .nvfp4
    default:
      throw ModelError.unsupported(
        key: "quantization_config.quant_algo", value: algorithm,
        remedy: "of ModelOpt's packings FP8 and NVFP4 are; use such a checkpoint, or the unquantised one")
    }
  }

  func gptq() throws -> IntegerPacking {
    if try optionalBool("desc_act") == true {
      throw ModelError.unsupported(
        key: "quantization_config.desc_act", value: "true",
        remedy:
          """
          it puts columns into groups in an order of their own; use a checkpoint quantised with desc_act false, or \
          the unquantised one
          """
      )
    }
    if let bits = try optionalInt("bits", in: 1...64), bits != 4, bits != 8 {
      throw ModelError.unsupported(
        key: "quantization_config.bits", value: "\(bits)",
        remedy: "4 and 8 are; use such a checkpoint, or the unquantised one")
    }
    let format = try optionalString("checkpoint_format", oneOf: ["gptq", "gptq_v2"]) ?? "gptq"
    return .gptq(zeroOffset: format == "gptq" ? 1 : 0)
  }

  func requireAWQ() throws {
    let version = try optionalString("version") ?? "gemm"
    guard version.lowercased() == "gemm" else {
      throw ModelError.unsupported(
        key: "quantization_config.version", value: version,
        remedy: "gemm is; use such a checkpoint, or the unquantised one")
    }
    if let bits = try optionalInt(["bits", "w_bit"], in: 1...64), bits != 4 {
      throw ModelError.unsupported(
        key: "quantization_config.bits", value: "\(bits)",
        remedy: "4 are; use such a checkpoint, or the unquantised one")
    }
  }
}
