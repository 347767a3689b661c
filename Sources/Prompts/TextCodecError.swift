/// Why a model's text cannot be turned into tokens.
package enum TextCodecError: Error, Equatable, CustomStringConvertible {
  case noTokenizer(reason: String)
  case noChatTemplate(folder: String)

  package var description: String {
    switch self {
    case .noTokenizer(let reason): "text needs the model's tokenizer: \(reason); or give token ids"
    case .noChatTemplate(let folder):
      "\(folder) has no chat template (tokenizer_config.json or chat_template.jinja); give plain text: leave out --chat"
    }
  }
}
