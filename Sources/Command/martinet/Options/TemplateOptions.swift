import ArgumentParser
import ModelText

/// Which chat template lays conversations out.
struct TemplateOptions: ParsableArguments {
  @Option(help: ArgumentHelp("File with a chat template (Jinja) to use instead of the model's own.", valueName: "file"))
  var chatTemplate: String?

  /// The text of the model in `folder`. Throws where the file given is no template.
  func codec(folder: String) throws -> TextCodec {
    let codec = TextCodec(folder: folder, templateFile: chatTemplate)
    if chatTemplate != nil { _ = try codec.chatTemplate() }
    return codec
  }
}
