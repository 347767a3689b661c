import Checkpoints
import Foundation
import TestSupport
import Testing

/// Names of models and folders of the hub's cache, and the folders they stand for.
struct ModelLocationTests {
  let folder = TemporaryFolder()

  private func make(_ path: String) {
    try? FileManager.default.createDirectory(atPath: folder.file(path), withIntermediateDirectories: true)
  }

  private func resolve(_ name: String, _ environment: [String: String] = [:]) throws -> String {
    try ModelLocation.resolve(name) { environment[$0] }
  }

  private func message(_ name: String, _ environment: [String: String] = [:]) -> String {
    do { return "no error, but \(try resolve(name, environment))" } catch { return "\(error)" }
  }

  @Test func aModelsFolderInTheCacheIsItsSnapshot() throws {
    make("models--org--name/snapshots/0123abcd")
    let root = folder.file("models--org--name")
    #expect(try resolve(root) == root + "/snapshots/0123abcd")
    make("models--org--name/snapshots/4567")
    #expect(message(root).contains("2 snapshots and no refs/main"))
    make("models--org--name/refs")
    folder.write("4567\n", as: "models--org--name/refs/main")
    #expect(try resolve(root) == root + "/snapshots/4567")
    for other in ["89ab", "../../../..", "", "..", String(repeating: "a", count: 1000)] {
      folder.write(other, as: "models--org--name/refs/main")
      #expect(message(root).contains("2 snapshots and no refs/main"), "\(other)")
    }
    make("models--org--empty/snapshots")
    #expect(message(folder.file("models--org--empty")).contains("no snapshot"))
  }

  @Test(arguments: ["cache", "cache/hub"]) func theCacheItselfIsItsOnlyModel(hub: String) throws {
    make("\(hub)/models--org--name/snapshots/0123abcd")
    make("\(hub)/.locks")
    make("\(hub)/datasets--org--other")
    let cache = folder.file("cache")
    #expect(try resolve(cache) == folder.file(hub) + "/models--org--name/snapshots/0123abcd")
    // Folders without a name are no model's.
    make("\(hub)/models--")
    make("\(hub)/models----")
    #expect(try resolve(cache) == folder.file(hub) + "/models--org--name/snapshots/0123abcd")
    make("\(hub)/models--org--a--b/snapshots/1")
    let told = message(cache)
    #expect(told.contains("2 models, such as \"org/a--b\"; give one of its folders"), "\(told)")
    // A folder that is a model's itself goes before.
    folder.write("x", as: "cache/model.gguf")
    #expect(try resolve(cache) == cache)
    folder.write("{}", as: "cache/config.json")
    #expect(try resolve(cache) == cache)
  }

  /// What is missing is then looked for, and missed, in the model's folder and not in the cache.
  @Test func aModelOfACacheThatHasNoSnapshotsIsItsFolder() throws {
    make("cache/models--org--name/refs")
    #expect(try resolve(folder.file("cache")) == folder.file("cache/models--org--name"))
  }

  @Test func aFolderThatIsThereIsTakenAsItIs() throws {
    make("model")
    #expect(try resolve(folder.file("model")) == folder.file("model"))
    make("model/snapshots/1")
    folder.write("{}", as: "model/config.json")
    #expect(try resolve(folder.file("model")) == folder.file("model"))
    folder.write("x", as: "file")
    for path in [
      folder.file("file"), folder.file("nothing"), "", "a\u{0}b/c", "x", "./org/name", "org/name/x", "../x", "-a/b",
    ] {
      #expect(try resolve(path) == path)
    }
  }

  @Test(arguments: ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"])
  func aNameIsLookedForInTheLocalCache(variable: String) throws {
    let below =
      ["HF_HOME": "/hub", "XDG_CACHE_HOME": "/huggingface/hub", "HOME": "/.cache/huggingface/hub"][variable] ?? ""
    let environment = [variable: folder.file("cache")]
    let cache = "cache" + below
    #expect(message("org/my--name.v1_2", environment).contains(folder.file(cache)))
    #expect(message("org/my--name.v1_2", environment).contains("hf download org/my--name.v1_2"))
    make("\(cache)/models--org--my--name.v1_2/snapshots/0123abcd")
    let found = try resolve("org/my--name.v1_2", environment)
    #expect(found == folder.file("\(cache)/models--org--my--name.v1_2/snapshots/0123abcd"))
    #expect(ModelLocation.displayName(found) == "org/my--name.v1_2")
  }

  @Test func aFileOfAModelInTheCacheIsFound() throws {
    let environment = ["HF_HUB_CACHE": folder.file("cache")]
    make("cache/models--org--name/snapshots/0123abcd")
    let snapshot = folder.file("cache/models--org--name/snapshots/0123abcd")
    #expect(try resolve("org/name/m-Q4_K_M.gguf", environment) == snapshot + "/m-Q4_K_M.gguf")
    #expect(try resolve("org/name/Q8_0/m.gguf", environment) == snapshot + "/Q8_0/m.gguf")
    for name in ["org/other/m.gguf", "org/name/../m.gguf", "org/name/m.bin", "org/name//m.gguf", "/org/name/m.gguf"] {
      #expect(try resolve(name, environment) == name)
    }
  }

  @Test func otherFoldersAreCalledByTheirOwnName() {
    for (path, name) in [
      ("/models/DeepSeek-V3", "DeepSeek-V3"), ("/models/DeepSeek-V3/", "DeepSeek-V3"), ("a/snapshots/b", "b"),
      ("/x/models--org--name", "models--org--name"), ("/", "/"),
    ] { #expect(ModelLocation.displayName(path) == name) }
  }
}
