/// Why a model's text cannot be turned into tokens.
package enum TextCodecError: Error, Equatable, CustomStringConvertible {
  case noTokenizer(reason: String)
  case noChatTemplate(folder: String)
  case templateFile(String)
  case toolsNotShown

  package var description: String {
    switch self {
    case .noTokenizer(let reason): "text needs the model's tokenizer: \(reason); or give token ids"
    case .noChatTemplate(let folder):
      """
      \(folder) has no chat template (tokenizer_config.json or chat_template.jinja); give plain text, or a \
      template with --chat-template
      """
    case .templateFile(let reason): "the chat template given cannot be used: \(reason)"
    case .toolsNotShown:
      """
      the chat template does not show the conversation's tools, so that the model would not know them; give one \
      that does with --chat-template, or put them into a message
      """
    }
  }
}
