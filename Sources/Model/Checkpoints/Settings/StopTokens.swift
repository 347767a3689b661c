import JSON

/// The tokens that end a text: `eos_token_id` of `generation_config.json` and of `config.json`, one id or a list, and
/// `eos_token` of `tokenizer_config.json`. Published folders leave one out in this file or that, so that all three
/// count.
package enum StopTokens {
  /// `tokenizerEnd`: the id of the tokenizer's `eos_token`, where the model has a tokenizer that names one.
  package static func read(_ checkpoint: any Checkpoint, tokenizerEnd: Int32?) throws(CheckpointError) -> Set<Int32> {
    // Some folders write -1 for none.
    let ids = -1...Int(Int32.max)
    let settings = try checkpoint.settings()
    var tokens = try settings.optionalInts("eos_token_id", in: ids, maxCount: 1024) ?? []
    // Where the text model is a part of a larger one.
    if settings.object["text_config"]?.object != nil {
      tokens += try settings.nested("text_config").optionalInts("eos_token_id", in: ids, maxCount: 1024) ?? []
    }
    if let reader = try checkpoint.generationSettings() {
      tokens += try reader.optionalInts("eos_token_id", in: ids, maxCount: 1024) ?? []
    }
    return Set(tokens.filter { $0 >= 0 }.map { Int32($0) } + [tokenizerEnd].compactMap { $0 })
  }
}
