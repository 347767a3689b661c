import Checkpoints
import JSON
import TestSupport

/// A checkpoint that says again what stood `period` tokens before, made by hand: any reply can be put into a server's
/// mouth, under any chat template, without a real model.
///
/// One layer of attention, whose queries are the keys turned by `period - 1` positions, so that each position sees only
/// the token whose successor is to come again. Its values are the embeddings, rows of ±1, which the output head
/// recognises. The tokenizer has one token a byte, and the tokens that are added.
package struct ParrotModel: Sendable {
  /// Jinja text, or a list of named templates; nil for a folder without a template.
  package var template: JSONValue?
  /// Added tokens that decoding skips.
  package var specialTokens: [String]
  /// Added tokens that decoding shows.
  package var plainTokens: [String]
  /// `eos_token` of `tokenizer_config.json`.
  package var endToken: String?
  /// Tokens of `generation_config.json`'s `eos_token_id`; nil for a folder without that file.
  package var generationEnds: [String]?
  /// Tokens of `config.json`'s `eos_token_id`; nil for none.
  package var configurationEnds: [String]?
  package var period: Int
  package var contextLength = 8192
  /// Further members of `tokenizer_config.json`.
  package var tokenizerSettings = JSONObject()
  /// Of `tokenizer.json`.
  package var postProcessor = JSONValue.null

  /// All three files name `endToken`.
  package init(
    template: JSONValue?, special: [String], plain: [String] = [], endToken: String? = nil, period: Int = 512
  ) {
    (self.template, self.period) = (template, period)
    (specialTokens, plainTokens) = (special, plain)
    self.endToken = endToken
    generationEnds = endToken.map { [$0] }
    configurationEnds = generationEnds
  }

  /// The added tokens, in the order of their ids, which follow those of the 256 bytes.
  package var addedTokens: [String] { specialTokens + plainTokens }

  package func id(of token: String) -> Int? { addedTokens.firstIndex(of: token).map { 256 + $0 } }

  /// Writes the folder's files.
  package func write(to folder: TemporaryFolder) throws {
    folder.write(tokenizer.text(), as: "tokenizer.json")
    folder.write(tokenizerConfiguration.text(), as: "tokenizer_config.json")
    folder.write(configuration.text(), as: "config.json")
    if let generationEnds {
      let ids = JSONValue.array(generationEnds.compactMap { id(of: $0).map { .int($0) } })
      folder.write((["eos_token_id": ids] as JSONValue).text(), as: "generation_config.json")
    }
    try writeWeights(to: folder.file("model.safetensors"))
  }
}
