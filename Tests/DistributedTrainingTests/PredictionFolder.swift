import Checkpoints
import Foundation
import Tensors
import TestSupport

/// Folders of a tiny checkpoint with the prediction module that `Tests/Fixtures/prediction` has for it, in the place of
/// what it has of one.
enum PredictionFolder {
  /// Returns the path of the folder that is written.
  static func write(_ golden: String, to folder: TemporaryFolder) throws -> String {
    let source = FamilyFixtures.folder(golden)
    let module = TinyTraining.fixtures.appending(path: "prediction/\(golden).safetensors").path
    var (header, data): ([String], [UInt8]) = ([], [])
    for (path, isModule) in [(source + "/model.safetensors", false), (module, true)] {
      let file = try SafetensorsFile(path: path)
      for entry in file.entries where entry.name.hasPrefix("mtp.") == isModule {
        let first = data.count
        data += try file.readAll(entry)
        let shape = entry.shape.map { "\($0)" }.joined(separator: ",")
        header.append(
          #""\#(entry.name)":{"dtype":"\#(entry.type.rawValue)","shape":[\#(shape)],"data_offsets":[\#(first),\#(data.count)]}"#
        )
      }
    }
    let text = Array("{\(header.joined(separator: ","))}".utf8)
    let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
    folder.write(length + text + data, as: "model.safetensors")
    folder.write(
      Array(try Data(contentsOf: URL(filePath: source + "/config.json"))), as: "config.json")
    return folder.path
  }
}
