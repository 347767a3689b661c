import Checkpoints
import Tensors

/// A way to store a model that is known but not read, told by the names of its tensors.
enum ForeignPacking {
  case adapter(String)
  case gptqOrAWQ(String)
  case mlx(String)
  case compressedTensors(String)
  case modelOpt(String)
  case bitsAndBytes(String)
  case originalNames(String)
  case otherPrefix(String, expected: String)

  /// The first sign of one in a checkpoint's names.
  static func find(in checkpoint: any Checkpoint, names: PublishedNames) -> ForeignPacking? {
    for entry in checkpoint.entries {
      let name = entry.name
      if name.contains(".lora_A") || name.contains(".lora_B") || name.hasPrefix("base_model.model.") {
        return .adapter(name)
      }
      if name.hasSuffix(".qweight") { return .gptqOrAWQ(name) }
      if name.hasSuffix(".weight_scale_2") { return .modelOpt(name) }
      if name.hasSuffix(".weight_packed") { return .compressedTensors(name) }
      if name.contains(".quant_state.") || name.hasSuffix(".absmax") || name.hasSuffix(".SCB") {
        return .bitsAndBytes(name)
      }
      if name.hasSuffix(".scales"), checkpoint.tensor(name.dropLast("scales".count) + "weight")?.type == .uint32 {
        return .mlx(name)
      }
      if name == "tok_embeddings.weight" || name.hasPrefix("layers.0.attention.w") || name.hasPrefix("blk.0.")
        || name.hasPrefix("transformer.h.0.")
      {
        return .originalNames(name)
      }
    }
    let expected = names.tensor(ParameterID(.embedding))
    guard !checkpoint.holds(expected) else { return nil }
    let suffix = "embed_tokens.weight"
    return checkpoint.names.first { $0.hasSuffix(suffix) }.map { .otherPrefix($0, expected: expected) }
  }

  var error: ModelError {
    switch self {
    case .adapter(let name):
      .foreignPacking(
        tensor: name, what: "an adapter's (LoRA); merge it into its base model and give the merged folder")
    case .gptqOrAWQ(let name):
      .foreignPacking(
        tensor: name,
        what:
          """
          packed by GPTQ or AWQ, of which config.json says nothing (quantization_config.quant_method); download it \
          again, or use the unquantised checkpoint
          """
      )
    case .mlx(let name):
      .foreignPacking(tensor: name, what: "packed by MLX; use the unquantised checkpoint, or one in fp8")
    case .compressedTensors(let name):
      .foreignPacking(
        tensor: name,
        what:
          """
          packed by compressed-tensors, of which config.json says nothing or another thing (quantization_config); \
          download it again, or use the unquantised checkpoint
          """
      )
    case .modelOpt(let name):
      .foreignPacking(
        tensor: name,
        what: "packed by ModelOpt (NVFP4), but its other tensors do not go with it; download it again")
    case .bitsAndBytes(let name):
      .foreignPacking(tensor: name, what: "packed by bitsandbytes; use the unquantised checkpoint, or one in fp8")
    case .originalNames(let name):
      .foreignPacking(tensor: name, what: "named as in another format; download the model in the Hugging Face format")
    case .otherPrefix(let name, let expected):
      .foreignPacking(
        tensor: name,
        what:
          """
          named as a part of a larger model, such as one of text and images, where \"\(expected)\" is read; give \
          the text model's own checkpoint
          """
      )
    }
  }
}
