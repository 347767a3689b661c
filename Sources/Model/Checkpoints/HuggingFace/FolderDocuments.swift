import Glibc

/// The documents of a model's folder: its files.
struct FolderDocuments: ModelDocuments {
  let path: String

  func document(_ name: String, limit: Int) throws(CheckpointError) -> [UInt8]? {
    do throws(CheckpointError) { return try InputFile(path: path + "/" + name).contents(limit: limit) } catch {
      // Also where a folder of the name is a file.
      if case .system("open", _, let code) = error, code == ENOENT || code == ENOTDIR { return nil }
      throw error
    }
  }
}
