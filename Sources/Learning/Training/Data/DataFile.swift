import Checkpoints
import Foundation

/// A file of data as it was asked for: `FILE`, or `FILE=WEIGHT`.
package struct DataFile: Sendable, Equatable {
  package enum Kind: Sendable, Equatable {
    /// A document a line, `{"text": …}` or `{"token_ids": […]}`.
    case jsonLines
    /// One document.
    case text
    case numpy, safetensors
  }

  /// More could not all have a share of each block of the order.
  private static let mostWeights = 1024

  package let path: String
  /// Its part of all sequences, relative to other files' weights; nil where files follow their sizes.
  package let weight: Double?

  package init(path: String, weight: Double? = nil) { (self.path, self.weight) = (path, weight) }

  /// What a file is, by the end of its name: text unless it says otherwise.
  package var kind: Kind {
    switch (path as NSString).pathExtension.lowercased() {
    case "jsonl", "ndjson", "json": .jsonLines
    case "npy": .numpy
    case "safetensors": .safetensors
    default: .text
    }
  }

  /// The files of a list `FILE[=WEIGHT][,FILE[=WEIGHT]…]`. A file whose name has a comma or an equals sign in it is
  /// found if it is there. Weights are positive, and of all files or of none.
  package static func list(_ text: String) throws(DataError) -> [DataFile] {
    var files: [DataFile] = []
    for part in isThere(text) ? [text] : text.split(separator: ",").map(String.init) {
      guard !isThere(part), let sign = part.lastIndex(of: "=") else {
        files.append(DataFile(path: part))
        continue
      }
      let (path, weightText) = (String(part[..<sign]), String(part[part.index(after: sign)...]))
      guard let weight = Double(weightText), weight > 0, weight.isFinite else {
        throw .badWeight(file: path, text: weightText)
      }
      files.append(DataFile(path: path, weight: weight))
    }
    try check(files)
    return files
  }

  /// Throws for an empty list, for weights of some files only, and for a weight that is none.
  static func check(_ files: [DataFile]) throws(DataError) {
    guard !files.isEmpty, files.allSatisfy({ !$0.path.isEmpty }) else { throw .noFiles }
    let weighted = files.count { $0.weight != nil }
    guard weighted <= mostWeights else { throw .tooManyWeights(weighted, limit: mostWeights) }
    if weighted > 0, let other = files.first(where: { $0.weight == nil }) { throw .someWithoutWeight(file: other.path) }
    for file in files {
      if let weight = file.weight, !(weight > 0 && weight.isFinite) {
        throw .badWeight(file: file.path, text: "\(weight)")
      }
    }
  }

  /// The files that are meant: itself, or for a folder all files of data in it, in the order of their names' bytes.
  func expanded() throws(DataError) -> [DataFile] {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
      return [self]
    }
    let known: Set<String> = ["jsonl", "ndjson", "txt", "npy", "safetensors"]
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).filter {
      !$0.hasPrefix(".") && known.contains(($0 as NSString).pathExtension.lowercased())
    }
    guard !names.isEmpty else { throw .emptyFolder(path) }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { DataFile(path: path + "/" + $0) }
  }

  /// Throws where no such files can be opened; nothing is read.
  package func checkThere() throws { for file in try expanded() { _ = try InputFile(path: file.path) } }

  private static func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
}
