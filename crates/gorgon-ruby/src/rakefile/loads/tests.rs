use std::fs;
use std::path::Path;

use crate::rakefile::rake_test;

/// Tells whether Rake has to be asked in a project with this Rakefile and these files (their text behind `=`).
fn asks(rakefile: &str, files: &[&str]) -> bool {
    let project = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = project.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).unwrap();
        fs::write(path, text).unwrap();
    };
    write("Rakefile", &format!("{rakefile}\nRake::TestTask.new\n"));
    for file in files {
        let (path, text) = file.split_once('=').unwrap();
        write(path, text);
    }
    let read = rake_test(project.path()).unwrap();
    read.loads_more || !read.unread.is_empty()
}

#[test]
fn a_file_of_the_project_that_may_define_tasks_has_rake_asked() {
    for said in [
        "require_relative 'build/more'",
        "require './build/more'",
        "require './build/more.rb'",
        "$:.unshift 'build'\nrequire 'more'",
        "$LOAD_PATH << File.expand_path('../build', __FILE__)\nrequire 'more'",
        "dir = File.join(__dir__, 'build')\n$LOAD_PATH.unshift(dir) unless $LOAD_PATH.include?(dir)\nrequire 'more'",
        "$: << here\nrequire 'more'",
        "load 'build/more.rb'",
        "load \"#{__dir__}/build/more.rb\"",
        "load \"build/#{name}.rb\"",
        "import 'build/more.rb'",
        "Rake.load_rakefile 'build/more.rb'",
        "Kernel.load('build/more.rb')",
        "eval File.read('build/more.rb')",
        "Dir['build/*.rb'].each { |file| load file }",
        "Dir['bu*/**/*.rb'].each { |file| load file }",
        "Dir.glob(File.join(__dir__, 'build', '*.rb')).sort.each do |file|\n  require file\nend",
        "files = FileList['build/*.rb']\nfiles.each { |file| import file }",
        "Dir['build/*.rb'].each(&method(:load))",
        "begin\n  require_relative 'build/more'\nrescue LoadError\nend",
        "require_relative 'build/between'",
        "load name",
    ] {
        let between = "build/between.rb=require_relative 'more'";
        assert!(
            asks(said, &["build/more.rb=task test: :more", between]),
            "{said}"
        );
    }
    let nested = "Dir['tasks/**/*.rake'].each { |file| load file }";
    assert!(asks(nested, &["tasks/ci/more.rake=task test: :more"]));
    let sets = "build/more.rb=ENV['SHIP'] = 'ketch'";
    assert!(asks("require './build/more'", &[sets]));
    assert!(asks(
        "Rake.add_rakelib 'jobs'",
        &["jobs/more.rake=task test: :more"]
    ));
    assert!(asks(
        "",
        &[
            "rakelib/a.rake=require_relative 'more'",
            "rakelib/more.rb=task test: :more"
        ]
    ));
}

#[test]
fn what_the_text_or_a_library_tells_does_not() {
    for said in [
        "require 'bundler/gem_tasks'\nrequire 'rake/testtask'\nrequire 'rspec/core/rake_task'\nrequire 'minitest/test_task'",
        "lib = File.expand_path('../lib', __FILE__)\n$:.unshift lib unless $:.include?(lib)\nrequire 'ship/version'",
        "require './lib/ship/version'\nrequire_relative 'lib/ship'",
        "load 'rails/tasks/engine.rake'",
        "Dir['tasks/*.rake'].each { |file| load file }",
        "Dir.glob('tasks/*.rake').sort.each do |file|\n  import file\nend",
        "import 'tasks/more.rake'",
        "Dir['none/*.rb'].each { |file| load file }",
        "spec = eval(File.read('ship.gemspec'))",
        "config.load('build/more.rb')",
        "task(:x) { load 'build/more.rb' }",
        "task :x do\n  require_relative 'build/more'\nend",
    ] {
        let files = [
            "lib/ship/version.rb=module Ship; VERSION = '1' end",
            "lib/ship.rb=require 'ship/version'\nmodule Ship; end",
            "tasks/more.rake=task :x",
            "build/more.rb=task :y",
            "ship.gemspec=s.add_development_dependency 'rake'",
        ];
        assert!(!asks(said, &files), "{said}");
    }
}
