import ArgumentParser
import Checkpoints
import ModelText
import Tokenization

/// Which chat template lays conversations out.
struct TemplateOptions: ParsableArguments {
  @Option(help: ArgumentHelp("File with a chat template (Jinja) to use instead of the model's own.", valueName: "file"))
  var chatTemplate: String?

  /// The text of a model. Throws where the file given is no template.
  func codec(_ model: any ModelDocuments) throws -> TextCodec {
    let codec = TextCodec(model, templateFile: chatTemplate)
    if chatTemplate != nil { _ = try codec.chatTemplate() }
    return codec
  }
}

extension TextCodec {
  /// The text of a model, whatever format it was published in.
  convenience init(_ model: any ModelDocuments, templateFile: String? = nil) {
    self.init(path: model.path, templateFile: templateFile) { (name, limit) throws(TokenizerError) in
      do throws(CheckpointError) { return try model.document(name, limit: limit) } catch {
        throw .unreadableFile(path: "\(model.path)/\(name)", reason: "\(error)")
      }
    }
  }
}
