import JSON

/// An architecture of GGUF files: how its metadata read as a family's `config.json`, and what its tensors are called
/// there. Each is a file of this folder and a line in `all`.
struct GGUFArchitecture: Sendable {
  /// `general.architecture`.
  let name: String
  let names: GGUFNames
  /// The tokenizer's way to split text where the file does not tell.
  let split: String
  /// The settings in the keys of the family's `config.json`.
  let config: @Sendable (GGUFSettings) throws(CheckpointError) -> JSONObject

  init(
    _ name: String, names: GGUFNames = .standard, split: String = "gpt-2",
    config: @escaping @Sendable (GGUFSettings) throws(CheckpointError) -> JSONObject
  ) {
    (self.name, self.names, self.split, self.config) = (name, names, split, config)
  }

  /// The way to split text where the file does not tell. DeepSeek's models are told apart by their vocabularies.
  func fallbackSplit(_ metadata: GGUFMetadata) -> String {
    guard name == "deepseek2", let tokens = try? metadata.array("tokenizer.ggml.tokens") else { return split }
    return tokens.count > 120_000 ? "deepseek-v3" : split
  }

  static let all = [
    deepSeek2, deepSeek32, deepSeek4, glmDSA, qwen3MoE, qwen2MoE, llama, mixtral, qwen2, qwen3, gptOSS, glm4MoE,
    miniMaxM2, olmoe, bailingMoE2, dots1, ernie45MoE, exaoneMoE, hunyuanV3, mistral4, qwen3Next, qwen35, qwen35MoE,
  ]

  /// The architecture that a file is of. Mixtral's files say that they are Llama's, with experts.
  static func of(_ metadata: GGUFMetadata) throws(CheckpointError) -> GGUFArchitecture {
    guard let name = try metadata.string("general.architecture") else {
      throw metadata.problem(.missing(key: "general.architecture"))
    }
    if name == llama.name, try metadata.int("llama.expert_count", in: 0...(1 << 20)) ?? 0 > 0 { return mixtral }
    guard let found = all.first(where: { $0.name == name }) else {
      var known: [String] = []
      for architecture in all where !known.contains(architecture.name) { known.append(architecture.name) }
      throw metadata.problem(.architecture(name, known: known))
    }
    return found
  }
}
