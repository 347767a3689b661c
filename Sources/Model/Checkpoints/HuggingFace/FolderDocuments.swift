/// The documents of a model's folder: its files.
struct FolderDocuments: ModelDocuments {
  let path: String

  func document(_ name: String, limit: Int) throws(CheckpointError) -> [UInt8]? {
    try InputFile.document(at: path + "/" + name, limit: limit)
  }
}
