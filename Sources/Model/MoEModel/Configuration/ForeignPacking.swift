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
    for entry in checkpoint.entries { if let found = find(in: entry.name, of: checkpoint) { return found } }
    let expected = names.tensor(ParameterID(.embedding))
    guard !checkpoint.holds(expected) else { return nil }
    return checkpoint.names.first { DottedName($0).ends(in: "embed_tokens.weight") }.map {
      .otherPrefix($0, expected: expected)
    }
  }

  /// What the name of one tensor is a sign of.
  private static func find(in text: String, of checkpoint: any Checkpoint) -> ForeignPacking? {
    let name = DottedName(text)
    if name.begins(with: "base_model.model") || name.contains("lora_A") || name.contains("lora_B") {
      return .adapter(text)
    }
    if name.contains("quant_state") { return .bitsAndBytes(text) }
    switch name.last {
    case "qweight": return .gptqOrAWQ(text)
    case "weight_scale_2": return .modelOpt(text)
    case "weight_packed": return .compressedTensors(text)
    case "absmax", "SCB": return .bitsAndBytes(text)
    case "scales":
      if let module = name.before("scales"), checkpoint.tensor("\(module).weight")?.type == .uint32 {
        return .mlx(text)
      }
    default: break
    }
    let attention = name.after("layers.0.attention").map { DottedName(String($0)).parts[0] }
    let isOriginal =
      text == "tok_embeddings.weight" || attention.map(originalProjections.contains) ?? false
      || name.begins(with: "blk.0") || name.begins(with: "transformer.h.0")
    return isOriginal ? .originalNames(text) : nil
  }

  /// What Meta's and Mistral's own files call the projections of attention.
  private static let originalProjections: Set<Substring> = [
    "wq", "wk", "wv", "wo", "wqkv", "wq_a", "wq_b", "wkv_a_with_mqa", "wkv_b",
  ]

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
