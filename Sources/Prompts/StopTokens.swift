import Checkpoints

/// The tokens that end a text, from `generation_config.json` or else `config.json`: one id or a list.
package enum StopTokens {
  package static func read(_ folder: CheckpointFolder) throws -> Set<Int32> {
    let ids = 0...Int(Int32.max)
    if let generation = folder.generationConfig {
      let reader = try ConfigReader(generation, path: folder.path + "/generation_config.json")
      if let tokens = try reader.optionalInts("eos_token_id", in: ids, maxCount: 1024) {
        return Set(tokens.map { Int32($0) })
      }
    }
    let tokens = try folder.settings().optionalInts("eos_token_id", in: ids, maxCount: 1024)
    return Set((tokens ?? []).map { Int32($0) })
  }
}
