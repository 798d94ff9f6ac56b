# frozen_string_literal: true

# What `require 'gorgon'` in a callbacks file finds: all of it is there already.
